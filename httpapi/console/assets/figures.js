// What the table of members shows, out of the status of all of them.

const names = new Intl.Collator("en", { numeric: true });

// members are the rows: one for each member of the roster, by name, with what
// is known of it from itself and from the leader.
export function members(status) {
  const told = new Map((status.members ?? []).map((m) => [m.id, m]));
  const leading = leader(status);
  const followers = new Map((leading?.raft.followers ?? []).map((f) => [f.id, f]));
  const roster = [...status.cluster.members].sort((a, b) => names.compare(a.name || a.id, b.name || b.id));
  return roster.map((m) => {
    const own = told.get(m.id)?.status ?? (m.id === status.member.id ? status : null);
    const leads = leading?.member.id === m.id;
    return {
      ...m, own, leads,
      follower: followers.get(m.id) ?? null,
      health: health(m, own, told.get(m.id)?.error, followers.get(m.id), leads),
    };
  });
}

// leader is the status of the one that leads: of several who think they do,
// the one of the latest term.
function leader(status) {
  return [status, ...(status.members ?? []).map((m) => m.status)]
    .filter((s) => s?.raft.state === "leader")
    .sort((a, b) => b.raft.term - a.raft.term)[0] ?? null;
}

// health is how a member is, in a word and in a sentence.
function health(m, own, error, follower, leads) {
  if (!own && m.name === "") return { level: "warn", word: "not started", why: "It was added and has not been seen yet." };
  if (!own) return { level: "danger", word: "unreachable", why: reason(error) };
  if (!own.cluster.leader) return { level: "danger", word: "no leader", why: "It knows of no leader: nothing can be changed through it." };
  if (!own.cluster.healthy) return { level: "danger", word: "no quorum", why: "Too few members can be reached: nothing can be changed through it." };
  if (!leads && follower && !follower.active) return { level: "warn", word: "cut off", why: "The leader does not hear from it." };
  return { level: "ok", word: "healthy", why: "" };
}

// reason is an error without the request that met it.
function reason(error) {
  return error ? error.replace(/^Get "[^"]*": /, "") : "It does not answer.";
}

// quorum is what the voters can do without.
export function quorum(rows) {
  const voters = rows.filter((m) => m.role !== "learner");
  const needed = Math.floor(voters.length / 2) + 1;
  const there = voters.filter((m) => m.own && m.own.cluster.leader).length;
  return { voters: voters.length, needed, there, spare: there - needed };
}

// snapshots are those under way, from the leader to a follower.
export function snapshots(rows) {
  return rows.filter((m) => m.follower && (m.follower.snapshot || m.follower.state === "snapshot"));
}

// lagShare is how much of a bar a lag fills: a tenth for ten entries, all of
// it for ten thousand and more.
export function lagShare(lag) {
  return Math.min(1, Math.log10(1 + Math.max(0, lag)) / 4);
}

// command is the line that starts a member which was added with urls: name is
// what it is to be called, known are the members there were before.
export function command({ name, urls, learner, known }) {
  const peers = [
    ...known.flatMap((m) => m.peerURLs.map((url) => `${m.name || m.id}=${url}`)),
    ...urls.map((url) => `${name}=${url}`),
  ];
  const client = urls.map(clientURL);
  return [
    `keytree --name ${word(name)}`,
    `--data-dir ${word(`${name}.keytree`)}`,
    "--initial-cluster-state existing",
    `--initial-cluster ${word(peers.join(","))}`,
    `--initial-advertise-peer-urls ${word(urls.join(","))}`,
    `--listen-peer-urls ${word(urls.join(","))}`,
    `--advertise-client-urls ${word(client.join(","))}`,
    `--listen-client-urls ${word(client.join(","))}`,
    ...(learner ? ["--member-role learner"] : []),
  ].join(" \\\n  ");
}

// clientURL is where a member with that peer URL serves clients by custom: one
// port below.
function clientURL(peer) {
  return peer.replace(/:(\d+)$/, (_, port) => `:${Number(port) - 1}`);
}

// word is text as one word of a shell's command line.
function word(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
