// What is known of the agent: made from messages only, no page and no clock in here.

const TYPES_MAX = 400, WAITING_MAX = 4096, PODS_MAX = 300, EPISODES_MAX = 4, BARS_MAX = 400;
const RECENT_MAX = 600;
const QUIET_MS = 3000;      // an episode of a pod is over when nothing was asked for so long
const PROBLEM_MS = 4000;    // how long the picture shows an error

const WORKER = 'pod-worker/';
// Requests that are drawn from the moment they are sent; all others when their answer comes.
const DRAWN = /^(cri\.|image\.|volume\.|cgroup\.|token\.)/;
const CHANGING = /^cri\.(RunPodSandbox|StopPodSandbox|RemovePodSandbox|CreateContainer|StartContainer|StopContainer|RemoveContainer|UpdateContainerResources)$|^image\.ensure$/;
const ENDED = new Set(['Succeeded', 'Failed']);

export const isWorker = name => name.startsWith(WORKER);

/** The parts of pod-worker/NAMESPACE_NAME_UID. */
export function podOf(worker) {
  const [namespace, name, uid] = worker.slice(WORKER.length).split('_');
  return { namespace, name: name ?? namespace, uid: uid ?? '' };
}

/** An actor's name for people: a worker is called as its pod is. */
export function shortName(actor) {
  return isWorker(actor) ? `pod ${podOf(actor).namespace}/${podOf(actor).name}` : actor;
}

/** Whether a message is an error, or did not reach its receiver as it was sent. */
export function isBad(message) {
  return message.fault !== undefined || message.type === 'bus.undeliverable' || message.outcome !== 'delivered';
}

/** A body, or an empty one when it was cut. */
function parse(body) {
  try { return JSON.parse(body); } catch { return {}; }
}

/** Why, in words, or ''. */
export function problemOf(message) {
  if (message.fault !== undefined) return `${message.fault}: ${message.fault_text}`;
  if (message.type === 'bus.undeliverable') return `undeliverable: ${parse(message.body).reason ?? ''}`;
  return message.outcome === 'delivered' ? '' : message.outcome;
}

/** A function that says whether a message has all words of a filter and none of its -words. */
export function makeFilter(text) {
  const words = text.toLowerCase().split(/\s+/).filter(word => word && word !== '-');
  return message => {
    const all = `${message.from} ${message.to} ${message.type} ${message.body} ${problemOf(message)}`.toLowerCase();
    return words.every(word => word.startsWith('-') ? !all.includes(word.slice(1)) : all.includes(word));
  };
}

function kindOf(type) {
  if (type.startsWith('cri.')) return 'runtime';
  return ['image', 'volume', 'cgroup'].find(kind => type.startsWith(kind + '.')) ?? 'other';
}

class Counter {
  count = 0; bad = 0; rate = 0; #counted = 0;
  /** Called about once a second. */
  measure(seconds) {
    this.rate = this.rate * 0.4 + (this.count - this.#counted) / seconds * 0.6;
    if (this.rate < 0.05) this.rate = 0;
    this.#counted = this.count;
  }
}

class Actor extends Counter {
  cls = ''; state = 'unknown'; restarts = 0; silentMs = 0; problemAt = -Infinity;
  constructor(name) { super(); this.name = name; }
}

class Type extends Counter {
  answered = 0; sumMs = 0; maxMs = 0;
  constructor(name) { super(); this.name = name; }
}

/** One stretch of a pod's life in which something was done: its start, a restart, its end. */
class Episode {
  bars = []; marks = []; left = 0; isOver = false; runningMs = null;
  constructor(at) { this.from = this.to = at; }

  get title() {
    const has = name => this.bars.some(bar => bar.type === name);
    if (this.isEnd) return 'End';
    if (has('cri.RunPodSandbox')) return 'Start';
    if (has('cri.StartContainer')) return 'Restart of a container';
    return this.bars.some(bar => CHANGING.test(bar.type)) ? 'Change' : 'Check';
  }

  /** The bars in rows: the same request, asked again, stays in its row. */
  get rows() {
    const rows = new Map();
    for (const bar of this.bars) {
      const name = `${bar.type} ${bar.about}`;
      if (!rows.has(name)) rows.set(name, []);
      rows.get(name).push(bar);
    }
    return [...rows.values()];
  }

  add(bar) {
    if (this.bars.length >= BARS_MAX) { this.left++; return; }
    this.bars.push(bar);
  }
}

class Pod {
  phase = ''; episodes = []; containers = new Map(); isGone = false; isEnding = false; bad = 0; heard = 0;
  constructor(worker) { Object.assign(this, podOf(worker)); this.worker = worker; }
  get current() { const last = this.episodes.at(-1); return last && !last.isOver ? last : null; }

  open(at) {
    const episode = new Episode(at);
    this.episodes.push(episode);
    if (this.episodes.length > EPISODES_MAX) this.episodes.shift();
    return episode;
  }
}

/** Removes the oldest entries (of those that `may` go) of a Map that has more than `max`. */
function bound(map, max, may = () => true) {
  if (map.size <= max) return;
  for (const [key, value] of map) {
    if (may(value)) map.delete(key);
    if (map.size <= max) return;
  }
}

export class Model {
  actors = new Map(); types = new Map(); pods = new Map(); all = new Counter();
  recent = []; total = 0; now = 0; lost = 0;
  #waiting = new Map();

  actor(name) {
    if (!this.actors.has(name)) this.actors.set(name, new Actor(name));
    return this.actors.get(name);
  }

  /** The answer of actor.list: who is not in it does not run. */
  setActors(rows) {
    const names = new Set(['bus', 'supervisor']);
    for (const row of rows) {
      names.add(row.name);
      Object.assign(this.actor(row.name), { cls: row.class, state: row.state, restarts: row.restarts, silentMs: row.silent_ms });
      if (isWorker(row.name)) this.#pod(row.name).isGone = false;
    }
    for (const name of [...this.actors.keys()]) if (!names.has(name)) this.#forget(name);
    for (const name of ['bus', 'supervisor']) this.actor(name).state = 'up';
  }

  #forget(name) {
    this.actors.delete(name);
    const pod = this.pods.get(name);
    if (pod) pod.isGone = true;
  }

  #pod(worker) {
    if (!this.pods.has(worker)) {
      this.pods.set(worker, new Pod(worker));
      bound(this.pods, PODS_MAX, pod => pod.isGone);
      bound(this.pods, 2 * PODS_MAX);
    }
    return this.pods.get(worker);
  }

  take(message) {
    const bad = isBad(message);
    this.total++;
    this.now = Math.max(this.now, message.now);
    this.#count(message, bad);
    const asked = this.#match(message);
    if (isWorker(message.to) || isWorker(message.from)) this.#takeOfPod(message, asked, bad);
    if (message.from === 'supervisor') this.#takeOfSupervisor(message);
    this.recent.push(message);
    if (this.recent.length > RECENT_MAX) this.recent.splice(0, this.recent.length - RECENT_MAX);
  }

  #count(message, bad) {
    this.all.count++;
    this.all.bad += bad;
    if (!this.types.has(message.type)) {
      this.types.set(message.type, new Type(message.type));
      bound(this.types, TYPES_MAX);
    }
    const type = this.types.get(message.type);
    if (message.re === undefined) type.count++;
    type.bad += bad;
    for (const name of [message.from, message.to]) {
      const actor = this.actors.get(name);
      if (!actor) { if (!isWorker(name) && name === message.from) this.actor(name).count++; continue; }
      actor.count++;
      if (!bad) continue;
      actor.bad++;
      actor.problemAt = message.now;
    }
  }

  /** The request that a message answers; requests are remembered until then. */
  #match(message) {
    if (message.re === undefined) {
      this.#waiting.set(`${message.from} ${message.id}`, message);
      bound(this.#waiting, WAITING_MAX);
      return null;
    }
    const key = `${message.to} ${message.re}`, asked = this.#waiting.get(key);
    if (!asked) return null;
    this.#waiting.delete(key);
    const type = this.types.get(message.type), ms = message.now - asked.sent;
    type.answered++;
    type.sumMs += ms;
    type.maxMs = Math.max(type.maxMs, ms);
    return asked;
  }

  #takeOfSupervisor(message) {
    if (message.type !== 'actor.up' && message.type !== 'actor.down') return;
    const body = parse(message.body);
    if (typeof body.name !== 'string') return;
    if (message.type === 'actor.down') {
      if (this.actors.has(body.name)) this.actors.get(body.name).state = 'down';
      return;
    }
    Object.assign(this.actor(body.name), { state: 'up', restarts: body.restarts ?? 0, cls: body.class ?? '' });
  }

  #takeOfPod(message, asked, bad) {
    const worker = isWorker(message.to) ? message.to : message.from;
    if (message.type === 'actor.alive') return;
    const isNew = !this.pods.has(worker), pod = this.#pod(worker), at = message.sent, facts = message.facts ?? {};
    pod.heard = message.now;
    pod.bad += bad;
    if (message.type === 'pod.sync' && message.to === worker) this.#takeSync(pod, at, facts, isNew);
    else if (message.type === 'pod.status' && message.from === worker) this.#takeStatus(pod, at, facts);
    else if (message.from === worker && message.re === undefined) this.#takeRequest(pod, message, facts);
    else if (message.to === worker && message.re !== undefined) this.#takeReply(pod, message, asked, facts);
  }

  #takeSync(pod, at, facts, isNew) {
    const isFirstEnd = facts.terminate === true && !pod.isEnding;
    if (isFirstEnd) {
      pod.isEnding = true;
      if (pod.current) { pod.current.isOver = true; }
      pod.open(at).isEnd = true;
    } else if (isNew) pod.open(at);
  }

  #takeStatus(pod, at, facts) {
    if (facts.finished) pod.isGone = true;
    if (!facts.phase || facts.phase === pod.phase) { this.#markEnd(pod, at, facts); return; }
    pod.phase = facts.phase;
    const episode = pod.current;
    if (!episode) return;
    episode.to = Math.max(episode.to, at);
    episode.marks.push({ at, text: facts.phase });
    if (facts.phase === 'Running' && !episode.isEnd) episode.runningMs = at - episode.from;
    this.#markEnd(pod, at, facts);
  }

  #markEnd(pod, at, facts) {
    const episode = pod.current;
    if (!facts.finished || !episode || episode.marks.some(mark => mark.text === 'gone')) return;
    episode.to = Math.max(episode.to, at);
    episode.marks.push({ at, text: 'gone' });
  }

  #takeRequest(pod, message, facts) {
    if (!DRAWN.test(message.type)) return;
    if (!pod.current && !CHANGING.test(message.type)) return;
    const episode = pod.current ?? pod.open(message.sent);
    const about = facts.container?.split('/').pop() ?? pod.containers.get(facts.id) ?? '';
    episode.add({ key: message.id, type: message.type, kind: kindOf(message.type), about, whom: message.to,
      isReading: kindOf(message.type) === 'runtime' && !CHANGING.test(message.type),
      from: message.sent, to: null, bad: message.outcome === 'delivered' ? '' : message.outcome });
    episode.to = Math.max(episode.to, message.sent);
  }

  #takeReply(pod, message, asked, facts) {
    const episode = pod.episodes.findLast(one => one.bars.some(bar => bar.key === message.re));
    const bar = episode?.bars.find(one => one.key === message.re);
    if (!bar) {
      if (asked && pod.current && asked.from === pod.worker && !DRAWN.test(asked.type))
        pod.current.add({ key: asked.id, type: asked.type, kind: kindOf(asked.type), about: '', whom: asked.to,
          isReading: false, from: asked.sent, to: message.now, bad: problemOf(message) });
      return;
    }
    bar.to = message.now;
    bar.bad = problemOf(message);
    episode.to = Math.max(episode.to, message.now);
    if (facts.id) pod.containers.set(facts.id, bar.about);
    bound(pod.containers, 50);
  }

  /** Called about once a second: rates, and episodes that have become quiet. */
  measure(seconds, now) {
    for (const counter of [this.all, ...this.actors.values(), ...this.types.values()]) counter.measure(seconds);
    for (const pod of this.pods.values()) {
      const episode = pod.current;
      const isBusy = episode?.bars.some(bar => bar.to === null && now - bar.from < 600000);
      if (!episode || isBusy || now - episode.to < QUIET_MS) continue;
      episode.isOver = true;
      if (!episode.bars.some(bar => !bar.isReading)) pod.episodes.pop(); // nothing had to be done
    }
  }

  hasProblem(actor) { return this.now - actor.problemAt < PROBLEM_MS; }
  isOver(pod) { return pod.isGone || ENDED.has(pod.phase); }
}
