// keepingFocus does draw, which makes what is in element anew, and brings the
// focus back to where it was: elements are known by their data-place. If that
// is gone, the nearest thing is the element itself.
export function keepingFocus(element, draw) {
  const place = element.contains(document.activeElement) ? document.activeElement.dataset.place ?? "" : null;
  draw();
  if (place === null || element.contains(document.activeElement)) return;
  const same = [...element.querySelectorAll("[data-place]")].find((e) => e.dataset.place === place);
  (same ?? element).focus();
}
