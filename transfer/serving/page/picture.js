// The user's own image with the heat map over the region that the network saw.
import { byId, show } from "./parts.js";

const SMALL = 128; // pixels; enlarged, each of them is to be seen

let seen = "stretch"; // how the image became the network's square

// Show an image without an answer yet. `unseen`: its format is one that the network may read and this browser cannot.
export function preview(item) {
  show(byId("hint"), false);
  document.body.classList.add("started");
  setImage(item.address, "Your image", () => { item.unseen = true; show(byId("image"), false); });
  clearHeat();
}

// Show an image, its heat map, and what of it the network saw. Where the browser cannot show the file, what the network saw is shown.
export function picture(item, heat, className, told) {
  const instead = () => {
    [item.unseen, seen] = [true, "stretch"];
    setImage(item.answer.image, "The image as the network saw it", () => {});
  };
  seen = item.answer.resize;
  if (item.unseen) instead();
  else setImage(item.address, "Your image", instead);
  document.body.classList.add("started");
  show(byId("hint"), false);
  const layer = byId("heat");
  layer.onload = () => { if (isEmpty(layer)) told(`There is no evidence for ${className} in the image.`); };
  layer.src = heat;
  layer.alt = `Heat map: where the network looked for ${className}`;
  applyHeat(true);
}

export function clear() {
  document.body.classList.remove("started");
  byId("image").removeAttribute("src");
  show(byId("image"), false);
  clearHeat();
  show(byId("hint"), true);
}

function clearHeat() {
  byId("heat").removeAttribute("src");
  show(byId("heat"), false);
  show(byId("seen"), false);
}

export function applyHeat(answered = byId("heat").hasAttribute("src")) {
  const shown = byId("shown").checked;
  show(byId("heat"), shown && answered && byId("heat").hasAttribute("src"));
  byId("heat").style.opacity = String(byId("strength").value / 100);
  byId("strength").disabled = !shown;
  place();
}

function setImage(address, words, failed) {
  const image = byId("image");
  image.onload = () => { image.classList.toggle("small", image.naturalWidth < SMALL); place(); };
  image.onerror = failed;
  if (image.getAttribute("src") !== address) image.src = address;
  image.alt = words;
  show(image, true);
}

// Lay the heat map over the region that the network saw. All images have their centre in that of the frame.
export function place() {
  const frame = byId("frame"), image = byId("image"), heat = byId("heat");
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  if (!width || !height || !frame.clientWidth) return;
  const scale = Math.min(frame.clientWidth / width, frame.clientHeight / height);
  const side = { pad: Math.max(width, height), crop: Math.min(width, height) }[seen];
  const region = side ? [side * scale, side * scale] : [width * scale, height * scale];
  for (const [element, sides] of [[image, [width * scale, height * scale]], [heat, region], [byId("seen"), region]]) {
    element.style.width = `${sides[0]}px`;
    element.style.height = `${sides[1]}px`;
    element.style.left = `${(frame.clientWidth - sides[0]) / 2}px`;
    element.style.top = `${(frame.clientHeight - sides[1]) / 2}px`;
  }
  show(byId("seen"), seen === "crop" && width !== height && heat.hasAttribute("src"));
}

function isEmpty(image) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 32;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, 32, 32);
  return context.getImageData(0, 0, 32, 32).data.every((value, place) => place % 4 !== 3 || value < 4);
}
