// Small parts of the page. Class names are untrusted: they are only ever set as text.

export const byId = (id) => document.getElementById(id);
export const show = (element, shown) => { element.hidden = !shown; };

export function span(text, name) {
  const element = document.createElement("span");
  element.textContent = text;
  element.className = name;
  return element;
}

export function percent(share) {
  if (share > 0 && share < 0.001) return "< 0.1 %";
  return share < 1 && share > 0.999 ? "> 99.9 %" : `${(100 * share).toFixed(1)} %`;
}
