// The pods: one that can be opened each, with what its worker asked for as bars over time.
import { cut, draw, duration, make, say } from './svg.js';

const WIDTH = 1200, LABELS = 300, RIGHT = 110, ROW = 19, HEAD = 34;
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000, 300000];

/** Draws one episode. `now` ends the bars of requests that still wait. */
function drawEpisode(parent, pod, episode, now) {
  const bars = episode.bars, rows = episode.rows, waits = bars.some(bar => bar.to === null) && !episode.isOver;
  const end = Math.max(waits ? now : episode.to, episode.from + 1), span = end - episode.from;
  const x = at => LABELS + Math.min(1, Math.max(0, (at - episode.from) / span)) * (WIDTH - LABELS - RIGHT);
  const height = HEAD + rows.length * ROW + 4;
  const svg = draw(parent, 'svg', { class: 'timeline', viewBox: `0 0 ${WIDTH} ${height}`, role: 'img',
    'aria-label': `${episode.title} of ${pod.name}: ${bars.length} requests in ${duration(span)}` });
  const step = STEPS.find(one => span / one <= 8) ?? span / 8;
  for (let at = 0; at <= span; at += step) {
    draw(svg, 'line', { class: 'grid', x1: x(episode.from + at), x2: x(episode.from + at), y1: HEAD - 12, y2: height });
    draw(svg, 'text', { class: 'soft', x: x(episode.from + at) + 3, y: HEAD - 4 }, duration(at));
  }
  let free = -Infinity;
  for (const mark of episode.marks) {
    const place = x(mark.at);
    draw(svg, 'line', { class: 'mark', x1: place, x2: place, y1: 2, y2: height });
    if (place - free < 0) continue;
    const flips = place > WIDTH - 120;
    draw(svg, 'text', { class: 'mark-text', x: place + (flips ? -4 : 4), y: 12, 'text-anchor': flips ? 'end' : 'start' },
      `${mark.text} ${duration(mark.at - episode.from)}`);
    free = place + 110;
  }
  rows.forEach((row, i) => drawRow(svg, row, HEAD + i * ROW, x, end));
}

function drawRow(svg, bars, y, x, end) {
  const last = bars[bars.length - 1], bad = bars.findLast(bar => bar.bad)?.bad ?? '';
  const name = `${last.type.replace(/^cri\./, '')}${last.about ? ` ${last.about}` : ''}`;
  draw(svg, 'text', { x: 4, y: y + 13 }, cut(name, 46));
  for (const bar of bars) {
    const left = x(bar.from), right = x(bar.to ?? end), took = duration((bar.to ?? end) - bar.from);
    const rect = draw(svg, 'rect', { class: `bar ${bar.kind}${bar.isReading ? ' is-reading' : ''}`
      + `${bar.bad ? ' is-bad' : ''}${bar.to === null ? ' is-open' : ''}`,
    x: left, y: y + 3, width: Math.max(3, right - left), height: ROW - 6, rx: 1.5 });
    draw(rect, 'title', {}, `${name} to ${bar.whom}: ${bar.to === null ? `waits since ${took}` : took} ${bar.bad}`);
  }
  const took = duration(last.to === null ? end - last.from : Math.max(...bars.map(bar => bar.to - bar.from)));
  const text = `${bars.length > 1 ? `${bars.length} times, ${last.to === null ? 'waiting' : 'up to'} ` : ''}${took}`
    + `${last.to === null ? ', no answer yet' : ''}${bad ? ` ${cut(bad, 70)}` : ''}`;
  const left = x(bars[0].from), right = x(last.to ?? end), flips = right + text.length * 6.5 > WIDTH;
  if (flips && left - LABELS < text.length * 6.5 && bars.length > 1) return; // no room: the titles say it
  draw(svg, 'text', { class: `soft${bad ? ' is-bad-text' : ''}`, y: y + 13, x: flips ? left - 5 : right + 6,
    'text-anchor': flips ? 'end' : 'start' }, text);
}

function factsOf(pod) {
  const start = pod.episodes.find(one => one.runningMs !== null && !one.isEnd);
  if (pod.isGone) return 'gone';
  if (pod.isEnding) return 'is being ended';
  if (start) return `from pod.sync to Running in ${duration(start.runningMs)}`;
  return pod.episodes.length ? '' : 'nothing was done since the tap was attached';
}

export class PodList {
  #rows = new Map();

  /** `show` is called with the pod whose messages are wanted. */
  constructor(parent, show) { this.parent = parent; this.show = show; }

  open(worker) {
    const row = this.#rows.get(worker);
    if (!row) return;
    row.details.open = true;
    row.details.scrollIntoView({ block: 'nearest', behavior: 'auto' });
    row.summary.focus();
  }

  update(model, matches) {
    const pods = [...model.pods.values()].filter(matches)
      .sort((a, b) => a.isGone - b.isGone || `${a.namespace}/${a.name}`.localeCompare(`${b.namespace}/${b.name}`));
    const kept = new Set(pods.map(pod => pod.worker));
    for (const [worker, row] of this.#rows) {
      if (kept.has(worker)) continue;
      row.details.remove();
      this.#rows.delete(worker);
    }
    pods.forEach((pod, i) => {
      const row = this.#rows.get(pod.worker) ?? this.#add(pod, i);
      if (this.parent.children[i] !== row.details) this.parent.insertBefore(row.details, this.parent.children[i] ?? null);
      this.#show(row, pod, model.now);
    });
    return pods.length;
  }

  #add(pod, place) {
    const details = make(null, 'details'), summary = make(details, 'summary');
    details.dataset.pod = `${pod.namespace}/${pod.name}`;
    details.open = place === 0 && this.#rows.size === 0;
    make(summary, 'span', `${pod.namespace}/${pod.name}`, 'name');
    const row = { details, summary, phase: make(summary, 'span', '', 'phase-text'), facts: make(summary, 'span', '', 'facts'),
      bad: make(summary, 'span', '', 'bad'), body: make(details, 'div'), key: '' };
    const button = make(details, 'button', 'Show only its messages');
    button.type = 'button';
    button.addEventListener('click', () => this.show(pod));
    details.addEventListener('toggle', () => { row.key = ''; });
    this.#rows.set(pod.worker, row);
    return row;
  }

  #show(row, pod, now) {
    say(row.phase, pod.phase || 'phase not known');
    say(row.facts, factsOf(pod));
    say(row.bad, pod.bad ? ` ${pod.bad} ${pod.bad === 1 ? 'error' : 'errors'}` : '');
    if (!row.details.open) return;
    const waits = pod.current?.bars.some(bar => bar.to === null);
    const key = pod.episodes.map(one => `${one.from} ${one.to} ${one.bars.length} ${one.marks.length}`).join() + (waits ? now : '');
    if (key === row.key) return;
    row.key = key;
    row.body.replaceChildren();
    for (const episode of [...pod.episodes].reverse()) {
      if (!episode.bars.length) continue;
      const when = new Date(episode.from).toLocaleTimeString('en-GB');
      const more = episode.left ? `, ${episode.left} more requests are not drawn` : '';
      make(row.body, 'h3', `${episode.title} at ${when}${more}`);
      drawEpisode(row.body, pod, episode, now);
    }
    if (!row.body.children.length) make(row.body, 'p', 'No request was seen yet.', 'hint');
  }
}
