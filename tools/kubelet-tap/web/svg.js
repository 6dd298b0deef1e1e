// Making elements.

const SVG = 'http://www.w3.org/2000/svg';

/** An SVG element with attributes, put into `parent`. */
export function draw(parent, name, attributes = {}, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent?.append(element);
  return element;
}

/** An HTML element; `content` is text, never markup. */
export function make(parent, name, content, className) {
  const element = document.createElement(name);
  if (content !== undefined) element.textContent = content;
  if (className) element.className = className;
  parent?.append(element);
  return element;
}

/** Sets a text only when it has changed, so that selections and screen readers are left alone. */
export function say(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

/** A text that fits. */
export function cut(text, length) {
  return text.length <= length ? text : `${text.slice(0, length - 1)}\u2026`;
}

export function duration(ms) {
  if (ms === 0) return '0';
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  return ms < 60000 ? `${(ms / 1000).toFixed(2)} s` : `${Math.floor(ms / 60000)} min ${Math.round(ms % 60000 / 1000)} s`;
}

export function perSecond(rate) {
  return rate === 0 ? '0' : rate < 10 ? rate.toFixed(1) : rate.toFixed(0);
}
