// What charts show, out of samples of counters that only grow until a member
// is restarted and begins at nothing.

export const verbs = ["GET", "QGET", "PUT", "POST", "DELETE", "HEAD"];

// merge adds what was fetched to what is known, and forgets what is older than
// span milliseconds. A restarted member has forgotten its samples: the older
// ones stay, and the first of the new ones is marked as beginning afresh.
export function merge(known, fetched, span) {
  if (fetched.length === 0) return known;
  const begin = fetched[0].at;
  const oldest = fetched[fetched.length - 1].at - span;
  const afresh = new Set(known.filter((s) => s.afresh).map((s) => s.at));
  if (known.length > 0 && known[known.length - 1].at < begin) afresh.add(begin);
  const marked = fetched.map((s) => ({ ...s, afresh: afresh.has(s.at) }));
  return [...known.filter((s) => s.at < begin), ...marked].filter((s) => s.at >= oldest);
}

// read turns the samples of /keytree/v1/trends into ours: with times as
// milliseconds.
export function read(samples) {
  return samples.map((s) => ({ ...s, at: Date.parse(s.time) })).filter((s) => !Number.isNaN(s.at));
}

// frames derives, for each sample, what went on since the one before it. A
// figure that cannot be known is null: the first one, one after a restart, one
// after samples that are missing, and a mean of no requests.
export function frames(samples, every) {
  const frame = { times: [], broken: [], requests: {}, latency: {}, watchers: [], pending: [], memory: [] };
  for (const verb of verbs) {
    frame.requests[verb] = [];
    frame.latency[verb] = [];
  }
  samples.forEach((sample, i) => {
    const before = i > 0 ? samples[i - 1] : null;
    const apart = !before || sample.afresh || sample.at - before.at > 2.5 * every || fell(before, sample);
    frame.times.push(sample.at);
    frame.broken.push(apart);
    for (const verb of verbs) {
      const [rate, mean] = apart ? [null, null] : since(before, sample, verb);
      frame.requests[verb].push(rate);
      frame.latency[verb].push(mean);
    }
    frame.watchers.push(sample.watchers ?? null);
    frame.pending.push(sample.pending ?? null);
    frame.memory.push(sample.rss || null);
  });
  return frame;
}

// fell reports whether any counter is less than it was: then it is another
// life of the process.
function fell(before, sample) {
  return verbs.some((verb) => (sample.requests?.[verb] ?? 0) < (before.requests?.[verb] ?? 0));
}

// since is the rate of requests with verb per second, and the mean of their
// duration in seconds.
function since(before, sample, verb) {
  const seconds = (sample.at - before.at) / 1000;
  const count = (sample.requests?.[verb] ?? 0) - (before.requests?.[verb] ?? 0);
  const spent = (sample.seconds?.[verb] ?? 0) - (before.seconds?.[verb] ?? 0);
  if (seconds <= 0) return [null, null];
  return [count / seconds, count > 0 ? Math.max(0, spent) / count : null];
}
