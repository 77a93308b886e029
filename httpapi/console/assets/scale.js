// The arithmetic of a plot: round steps on its axes, and lines with gaps.

// steps are the values that a vertical axis from 0 to at least max is marked
// with. Where base is 1024 they are round in binary multiples. least is the
// smallest step that makes sense: 1 for things that are counted.
export function steps(max, { count = 4, base = 1000, least = 0 } = {}) {
  const rough = Math.max(max, least * 1e-9) / count || 1 / count;
  let unit = 1;
  if (base === 1024) {
    while (unit * 1024 <= rough) unit *= 1024;
  }
  const power = 10 ** Math.floor(Math.log10(rough / unit));
  const step = Math.max(least, [1, 2, 5, 10].find((m) => m * power * unit >= rough * 0.999) * power * unit);
  const marks = [];
  for (let i = 0; i === 0 || marks[i - 1] < max * 0.999; i++) marks.push(i * step);
  if (marks.length === 1) marks.push(step);
  return marks;
}

// minutes are the moments between from and to at which a clock shows a
// multiple of so many minutes.
export function minutes(from, to, every) {
  const length = every * 60_000;
  const zone = new Date(from).getTimezoneOffset() * 60_000;
  const marks = [];
  for (let at = Math.ceil((from - zone) / length) * length + zone; at <= to; at += length) marks.push(at);
  return marks;
}

// line is the d of a path through values, which begins anew after each null
// and wherever broken says so. What stands alone is drawn as long as the time
// it tells of, or if that is not known as a line of no length, which round ends
// make a dot.
export function line(values, broken, x, y) {
  let d = "";
  let open = false;
  values.forEach((value, i) => {
    if (value === null) {
      open = false;
      return;
    }
    const point = `${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
    const alone = values[i + 1] === undefined || values[i + 1] === null || broken[i + 1];
    if (open && !broken[i]) d += `L${point}`;
    else if (!alone) d += `M${point}`;
    else if (i === 0 || broken[i]) d += `M${point}h0`;
    else d += `M${x(i - 1).toFixed(1)} ${y(value).toFixed(1)}L${point}`;
    open = true;
  });
  return d;
}

// nearest is the place in times, which grow, of the one closest to at; -1 if
// there is none.
export function nearest(times, at) {
  let best = -1;
  times.forEach((time, i) => {
    if (best < 0 || Math.abs(time - at) <= Math.abs(times[best] - at)) best = i;
  });
  return best;
}
