// poll does task now and then again, every so many milliseconds after it was
// done, as long as the page can be seen; what is not seen is not asked for.
// The function it returns ends that, and gives up a task that is under way.
export function poll(every, task) {
  const given = new AbortController();
  let timer = 0;
  let busy = false;

  const run = async () => {
    clearTimeout(timer);
    if (busy || document.hidden || given.signal.aborted) return;
    busy = true;
    try {
      await task(given.signal);
    } finally {
      busy = false;
      if (!given.signal.aborted) timer = setTimeout(run, every);
    }
  };

  document.addEventListener("visibilitychange", run, { signal: given.signal });
  run();
  return () => {
    clearTimeout(timer);
    given.abort();
  };
}
