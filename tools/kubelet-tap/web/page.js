// The page: takes events, keeps the model, and shows it a few times a second.
import { Model, isBad, isWorker, makeFilter, problemOf, shortName } from './model.js';
import { Picture } from './picture.js';
import { PodList } from './timeline.js';
import { duration, make, perSecond, say } from './svg.js';

const SHOW_EVERY_MS = 250, MEASURE_EVERY_MS = 1000, ROWS_MAX = 150, FLY_AGE_MS = 3000;

const REPEATED = new Set(['actor.alive', 'actor.list']); // heartbeats, and what this page asks for

const $ = id => document.getElementById(id);
let model = new Model(), filter = () => true, isPaused = false, chosen = null;
let rules = null, fresh = [], isListStale = false, measured = performance.now();
const picture = new Picture($('picture'), choose), pods = new PodList($('pod-list'), showMessagesOf);

// ---- what is wanted ----

function isWanted(message) {
  if (REPEATED.has(message.type) && !$('alive').checked) return false;
  return (!$('only-bad').checked || isBad(message)) && filter(message);
}

function setFilter(text) {
  $('filter').value = text;
  filter = makeFilter(text);
  isListStale = true;
}

function choose(name) {
  chosen = chosen === name ? null : name;
  setFilter(chosen ?? '');
  if (chosen && isWorker(chosen)) pods.open(chosen);
  show();
}

function showMessagesOf(pod) {
  chosen = pod.worker;
  setFilter(pod.worker);
  $('messages-box').focus();
  show();
}

function setPause(value) {
  isPaused = value;
  isListStale = true;
  $('pause').setAttribute('aria-pressed', value);
  say($('pause'), value ? 'Go on' : 'Pause');
}

$('filter').addEventListener('input', () => { chosen = null; setFilter($('filter').value); });
$('alive').addEventListener('change', () => { isListStale = true; });
$('only-bad').addEventListener('change', () => { isListStale = true; });
$('pause').addEventListener('click', () => setPause(!isPaused));
$('controls').addEventListener('submit', event => event.preventDefault());
addEventListener('keydown', event => {
  if (event.target.matches('input[type=search]') || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'p') setPause(!isPaused);
  if (event.key !== '/') return;
  event.preventDefault();
  $('filter').focus();
});

// ---- tables ----

/** Fills a table's body; cells are texts, numbers are set to the right. */
function fill(table, rows) {
  const body = table.tBodies[0];
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach(({ cells, isBad: bad }, i) => {
    const row = body.rows[i] ?? body.insertRow();
    row.className = bad ? 'is-bad' : '';
    cells.forEach((cell, j) => {
      const place = row.cells[j] ?? row.insertCell();
      place.className = cell.number === undefined ? '' : 'number';
      say(place, cell.number ?? cell);
    });
  });
}

const number = value => ({ number: String(value) });

function showActors() {
  const actors = [...model.actors.values()].sort((a, b) => isWorker(a.name) - isWorker(b.name) || a.name.localeCompare(b.name));
  fill($('actors'), actors.map(actor => ({
    cells: [shortName(actor.name), actor.state, number(actor.restarts),
      number(actor.cls ? `${duration(actor.silentMs)} ago` : ''), number(perSecond(actor.rate)), number(actor.count), number(actor.bad)],
    isBad: actor.state === 'down' || model.hasProblem(actor),
  })));
  say($('actor-count'), `${actors.length}, of them ${actors.filter(actor => isWorker(actor.name)).length} of pods`);
}

function showTypes() {
  const types = [...model.types.values()].sort((a, b) => b.count - a.count || a.name.localeCompare(b.name));
  fill($('types'), types.map(type => ({
    cells: [type.name, number(type.count), number(perSecond(type.rate)), number(type.bad),
      number(type.answered ? (type.sumMs / type.answered).toFixed(1) : ''), number(type.answered ? type.maxMs.toFixed(1) : '')],
  })));
}

function ruleText(rule) {
  const of = rule.reply === true ? 'answers' : rule.reply === false ? 'requests and news' : 'messages';
  const parts = [['type', rule.type], ['from', rule.from], ['to', rule.to]].filter(([, glob]) => glob);
  return parts.length ? `${of}: ${parts.map(([word, glob]) => `${word} ${glob}`).join(', ')}` : `all ${of}`;
}

function actionText(rule) {
  if (rule.action === 'delay') return `delay by ${duration(rule.delay_ms ?? 0)}`;
  return rule.action === 'fail' ? `fail with code ${rule.code}: ${rule.text ?? ''}` : rule.action;
}

function showFaults() {
  const list = rules?.rules ?? [];
  $('faults-box').hidden = !list.length;
  say($('fault-count'), rules?.enabled ? list.length : '');
  fill($('faults'), list.map(rule => ({
    cells: [number(rule.id), actionText(rule), ruleText(rule), number(rule.hits), rule.left > 0 ? number(rule.left) : 'for ever'],
  })));
  say($('faults-text'), !rules ? 'Not known yet.'
    : !rules.enabled ? 'None: the agent was started without --enable-fault-injection.'
      : list.length ? 'Set with kubelet-fault. A message that a rule stops or changes is red.' : 'None. kubelet-fault sets them.');
}

// ---- messages ----

function timeOf(ms) {
  return `${new Date(ms).toLocaleTimeString('en-GB')}.${String(Math.floor(ms % 1000)).padStart(3, '0')}`;
}

function makeRow(message) {
  const row = document.createElement('tr'), problem = problemOf(message);
  row.className = isBad(message) ? 'is-bad' : message.re !== undefined ? 'is-reply' : '';
  make(row, 'td', timeOf(message.sent));
  make(row, 'td', `${shortName(message.from)} \u2192 ${shortName(message.to)}`);
  const cell = make(row, 'td'), word = message.fault !== undefined ? 'error ' : message.re !== undefined ? 'answer ' : '';
  const type = make(cell, 'button', word + message.type, 'type');
  type.type = 'button';
  type.setAttribute('aria-expanded', 'false');
  if (problem) make(cell, 'span', ` ${problem}`, 'fault');
  make(cell, 'span', message.body, 'body');
  type.addEventListener('click', () => type.setAttribute('aria-expanded', row.classList.toggle('is-open')));
  return row;
}

/** New ones on top; all anew when the filter has changed. */
function showMessages() {
  const body = $('messages').tBodies[0];
  if (isPaused && !isListStale) return;
  const from = isListStale ? model.recent.filter(isWanted) : fresh;
  if (isListStale) body.replaceChildren();
  body.prepend(...from.slice(-ROWS_MAX).reverse().map(makeRow));
  while (body.rows.length > ROWS_MAX) body.deleteRow(-1);
  isListStale = false;
  fresh = [];
  say($('shown'), isPaused ? 'paused' : `the latest ${body.rows.length}`);
}

function take(messages) {
  const isLive = messages.length > 0 && messages[messages.length - 1].now - messages[0].now < FLY_AGE_MS;
  for (const message of messages) {
    model.take(message);
    if (!isWanted(message)) continue;
    fresh.push(message);
    if (isLive && !isPaused) picture.fly(message);
  }
  if (fresh.length > ROWS_MAX) fresh.splice(0, fresh.length - ROWS_MAX);
}

// ---- showing ----

function show() {
  const now = performance.now(), passed = now - measured;
  if (passed >= MEASURE_EVERY_MS) {
    model.measure(passed / 1000, model.now);
    measured = now;
  }
  if (document.hidden) return;
  say($('rate'), perSecond(model.all.rate));
  say($('total'), model.total);
  $('bad').hidden = !model.all.bad;
  say($('bad'), `${model.all.bad} ${model.all.bad === 1 ? 'error' : 'errors'}`);
  $('lost').hidden = !model.lost;
  say($('lost'), `This page was too slow for ${model.lost} messages; it does not show them.`);
  picture.update(model, chosen);
  showMessages();
  if (isPaused) return;
  const count = pods.update(model, pod => !chosen || !isWorker(chosen) || pod.worker === chosen);
  $('no-pods').hidden = count > 0;
  say($('pod-count'), count || '');
  showActors();
  showTypes();
  showFaults();
}

function setAgent(state, text) {
  $('agent').dataset.state = state;
  say($('agent'), text);
}

// ---- events ----

const source = new EventSource('events');
source.addEventListener('open', () => { model = new Model(); fresh = []; isListStale = true; });
source.addEventListener('message', event => take(JSON.parse(event.data)));
source.addEventListener('actors', event => model.setActors(JSON.parse(event.data).actors));
source.addEventListener('faults', event => { rules = JSON.parse(event.data); });
source.addEventListener('lost', event => { model.lost += JSON.parse(event.data).count; });
source.addEventListener('agent', event => {
  const isThere = JSON.parse(event.data).there;
  setAgent(isThere ? 'there' : 'gone', isThere ? 'Attached to the agent' : 'The agent is gone; waiting for it');
});
source.addEventListener('error', () => setAgent('gone', source.readyState === EventSource.CLOSED
  ? 'The tap refused; open the address it printed' : 'The tap is gone; trying again'));
setInterval(show, SHOW_EVERY_MS);
