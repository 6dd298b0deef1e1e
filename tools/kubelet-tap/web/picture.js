// The picture: the bus in the middle, the node's actors around it, the pods' workers below it.
import { cut, draw, perSecond, say } from './svg.js';
import { isBad, isWorker, podOf } from './model.js';

const WIDTH = 860, BOX = { width: 148, height: 36, gap: 8 }, TOP = 6;
const POD = { width: 122, height: 26, gap: 6 }, CELL = { width: 24, height: 24, gap: 5 };
const NAMED_PODS = 24;        // more are drawn without names
const DOTS_MAX = 160, FLIGHT_MS = 700;
const POD_PLACE = { left: 168, width: WIDTH - 2 * 168 };

// Who stands where when it runs; others follow.
const ORDER = ['api-client', 'api-watcher', 'manifest-watcher', 'token-manager', 'certificate-manager',
  'pod-manager', 'status-reporter', 'node-reporter', 'lease-keeper', 'event-recorder', 'server', 'supervisor',
  'runtime', 'runtime-watcher', 'image-puller', 'image-gc', 'volume-manager', 'probe-manager', 'resource-manager',
  'eviction-manager', 'oom-watcher', 'garbage-collector', 'log-rotator', 'stats-provider'];

const rank = name => { const place = ORDER.indexOf(name); return place < 0 ? ORDER.length : place; };

/** Places for the node's actors: a left column, a top row of three, a right column. */
function placeActors(names) {
  const sorted = [...names].sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
  const inTop = Math.min(3, sorted.length), side = Math.ceil((sorted.length - inTop) / 2), places = new Map();
  const top = sorted.splice(side, inTop);
  sorted.forEach((name, i) => {
    const row = i < side ? i : i - side;
    places.set(name, { x: i < side ? 4 : WIDTH - 4 - BOX.width, y: TOP + row * (BOX.height + BOX.gap), ...BOX });
  });
  top.forEach((name, i) => {
    const step = POD_PLACE.width / inTop;
    places.set(name, { x: POD_PLACE.left + step * i + (step - BOX.width) / 2, y: TOP, ...BOX });
  });
  return { places, height: TOP + side * (BOX.height + BOX.gap) };
}

/** Places for the workers, by pod, in rows below `y`. */
function placePods(workers, y) {
  const size = workers.length > NAMED_PODS ? CELL : POD, places = new Map();
  const columns = Math.max(1, Math.floor((POD_PLACE.width - size.gap) / (size.width + size.gap)));
  const inset = (POD_PLACE.width - columns * (size.width + size.gap) + size.gap) / 2;
  const key = worker => { const pod = podOf(worker); return `${pod.namespace}/${pod.name}/${pod.uid}`; };
  [...workers].sort((a, b) => key(a).localeCompare(key(b))).forEach((worker, i) => {
    places.set(worker, { x: POD_PLACE.left + inset + (i % columns) * (size.width + size.gap),
      y: y + Math.floor(i / columns) * (size.height + size.gap), ...size });
  });
  const rows = Math.max(1, Math.ceil(workers.length / columns));
  return { places, bottom: y + rows * (size.height + size.gap) };
}

export class Picture {
  #nodes = new Map(); #dots = []; #free = []; #key = ''; #frame = null;
  #still = matchMedia('(prefers-reduced-motion: reduce)');

  /** `choose` is called with the name of an actor that was pressed. */
  constructor(svg, choose) {
    this.svg = svg;
    this.choose = choose;
    this.links = draw(svg, 'g', { 'aria-hidden': 'true' });
    this.boxes = draw(svg, 'g');
    this.moving = draw(svg, 'g', { 'aria-hidden': 'true', 'pointer-events': 'none' });
  }

  /** Draws who is there anew when that has changed, and says rates, states and errors. */
  update(model, chosen) {
    const names = [...model.actors.keys()].filter(name => name !== 'bus').sort();
    if (names.join() !== this.#key) {
      this.#key = names.join();
      this.#place(names);
    }
    for (const [name, node] of this.#nodes) this.#show(model, name, node, chosen);
    say(this.rate, `${perSecond(model.all.rate)} a second`);
  }

  #place(names) {
    const focused = document.activeElement?.dataset?.actor;
    this.links.replaceChildren();
    this.boxes.replaceChildren();
    this.#nodes.clear();
    const ring = placeActors(names.filter(name => !isWorker(name)));
    this.hub = { x: WIDTH / 2, y: 120 };
    const workers = names.filter(isWorker), pods = placePods(workers, 212);
    this.isCrowded = workers.length > NAMED_PODS;
    const height = Math.max(ring.height, pods.bottom + 12, 330);
    this.svg.setAttribute('viewBox', `0 0 ${WIDTH} ${height}`);
    draw(this.boxes, 'rect', { class: 'pods-frame', x: POD_PLACE.left, y: 186, width: POD_PLACE.width,
      height: pods.bottom - 184, rx: 8 });
    draw(this.boxes, 'text', { class: 'soft', x: POD_PLACE.left + 10, y: 202 },
      pods.places.size ? 'pod workers, one a pod' : 'no pod has a worker');
    for (const [name, place] of [...ring.places, ...pods.places]) this.#add(name, place);
    draw(this.boxes, 'rect', { class: 'hub', x: this.hub.x - 84, y: this.hub.y - 25, width: 168, height: 50, rx: 25 });
    draw(this.boxes, 'text', { x: this.hub.x, y: this.hub.y - 3, 'text-anchor': 'middle', 'font-weight': 600 }, 'bus');
    this.rate = draw(this.boxes, 'text', { class: 'soft', x: this.hub.x, y: this.hub.y + 14, 'text-anchor': 'middle' });
    if (focused) this.#nodes.get(focused)?.group.focus();
  }

  #add(name, place) {
    const middle = { x: place.x + place.width / 2, y: place.y + place.height / 2 };
    const end = isWorker(name) ? { x: middle.x, y: place.y }
      : middle.x < this.hub.x - 220 ? { x: place.x + place.width, y: middle.y }
        : middle.x > this.hub.x + 220 ? { x: place.x, y: middle.y } : { x: middle.x, y: place.y + place.height };
    const link = draw(this.links, 'line', { class: 'link', x1: end.x, y1: end.y, x2: this.hub.x, y2: this.hub.y });
    const group = draw(this.boxes, 'g', { class: 'node', tabindex: 0, role: 'button' });
    group.dataset.actor = name;
    draw(group, 'rect', { x: place.x, y: place.y, width: place.width, height: place.height, rx: 5 });
    const title = draw(group, 'title');
    const node = { group, link, title, end, middle };
    if (isWorker(name)) {
      node.phase = draw(group, 'circle', { class: 'phase', cx: place.x + 12, cy: middle.y, r: 5 });
      if (place.width === POD.width)
        draw(group, 'text', { x: place.x + 22, y: middle.y + 4 }, cut(podOf(name).name, 15));
    } else {
      draw(group, 'text', { x: place.x + 8, y: place.y + 15 }, cut(name, 21));
      node.rate = draw(group, 'text', { class: 'soft', x: place.x + 8, y: place.y + 29 });
      node.badge = draw(group, 'text', { class: 'badge', x: place.x + place.width - 8, y: place.y + 29, 'text-anchor': 'end' });
    }
    group.addEventListener('click', () => this.choose(name));
    group.addEventListener('keydown', event => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      this.choose(name);
    });
    this.#nodes.set(name, node);
  }

  #show(model, name, node, chosen) {
    const actor = model.actors.get(name), pod = model.pods.get(name), bad = model.hasProblem(actor);
    const label = isWorker(name) ? `pod ${podOf(name).namespace}/${podOf(name).name} ${pod?.phase ?? ''}` : name;
    const text = `${label}: ${actor.state}, ${perSecond(actor.rate)} messages a second, ${actor.bad} errors, `
      + `restarted: ${actor.restarts}`;
    say(node.title, text);
    node.group.setAttribute('aria-label', text);
    node.group.setAttribute('class', `node${actor.state === 'down' ? ' is-down' : ''}${bad ? ' is-bad' : ''}`
      + (chosen === name ? ' is-chosen' : ''));
    const crowd = this.isCrowded && isWorker(name) ? ' is-crowd' : '';
    node.link.setAttribute('class', `link${crowd}${bad ? ' is-bad' : actor.rate > 0.5 ? ' is-busy' : ''}`);
    node.phase?.setAttribute('class', `phase ${pod?.phase ?? ''}`);
    if (!node.rate) return;
    say(node.rate, `${perSecond(actor.rate)} a second`);
    say(node.badge, actor.state === 'down' ? 'down' : actor.restarts ? `restarted: ${actor.restarts}` : '');
  }

  /** Lets a dot fly from sender to receiver; when too many fly already, the message is only counted. */
  fly(message) {
    const from = this.#end(message.from), to = this.#end(message.to);
    if (this.#still.matches || document.hidden || !from || !to || this.#dots.length >= DOTS_MAX) return;
    const bad = isBad(message), dot = this.#free.pop() ?? draw(this.moving, 'circle');
    dot.setAttribute('class', `dot${bad ? ' bad' : message.re !== undefined ? ' reply' : ''}`);
    dot.setAttribute('r', bad ? 6 : 4);
    dot.setAttribute('cx', from.x);
    dot.setAttribute('cy', from.y);
    dot.removeAttribute('display');
    this.#dots.push({ dot, from, to, began: performance.now() });
    this.#frame ??= requestAnimationFrame(now => this.#move(now));
  }

  #end(name) { return name === 'bus' ? this.hub : this.#nodes.get(name)?.end; }

  #move(now) {
    this.#dots = this.#dots.filter(({ dot, from, to, began }) => {
      const way = (now - began) / FLIGHT_MS;
      if (way >= 1) {
        dot.setAttribute('display', 'none');
        this.#free.push(dot);
        return false;
      }
      const [a, b, part] = way < 0.5 ? [from, this.hub, way * 2] : [this.hub, to, way * 2 - 1];
      dot.setAttribute('cx', a.x + (b.x - a.x) * Math.max(0, part));
      dot.setAttribute('cy', a.y + (b.y - a.y) * Math.max(0, part));
      return true;
    });
    this.#frame = this.#dots.length ? requestAnimationFrame(next => this.#move(next)) : null;
  }
}
