// Runs before anything is drawn, so that the page does not begin in the wrong
// colours. What was chosen is "light", "dark", or nothing: as the system has it.
(() => {
  try {
    const chosen = localStorage.getItem("keytree.theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // A browser that keeps nothing for pages shows the system's colours.
  }
})();
