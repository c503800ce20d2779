// The web page of a server: sends an image to `explain` and shows the answer. Class names are untrusted:
// they are only ever set as text. Nothing is loaded from other hosts.
"use strict";

const FIRST_CLASSES = 10;
const KEY = "transfer-api-key";
const byId = (id) => document.getElementById(id);
const show = (element, shown) => { element.hidden = !shown; };

const state = {
  image: null, // the Blob whose answer is shown
  wanted: null, // the request in progress, or the one that failed: {image, className}
  answer: null,
  heats: new Map(), // class -> heat map of the image shown, so that going back needs no request
  asking: null, // AbortController
  preview: "", // URL of the image being sent
  key: "",
};
try { state.key = sessionStorage.getItem(KEY) || ""; } catch { /* no access to storage: the key is kept until the page is closed */ }

// --- asking -----------------------------------------------------------------------------------------------------------

async function ask(image, className) {
  state.asking?.abort();
  const asking = state.asking = new AbortController();
  state.wanted = { image, className };
  busy(true, className ? `Explaining ${className} …` : "Classifying the image …");
  try {
    const response = await send(image, className, asking.signal);
    const body = await response.json().catch(() => null);
    if (asking !== state.asking) return; // a newer request was made meanwhile
    if (response.status === 401) askForKey();
    else if (!response.ok || !body) fail(response.status, detailOf(body), response.headers.get("Retry-After"));
    else if (className) showHeat(body.explained, body.heat);
    else showAnswer(image, body);
  } catch (error) {
    if (asking !== state.asking || error.name === "AbortError") return;
    fail(0, "", null);
  }
  if (asking === state.asking) busy(false);
}

function send(image, className, signal) {
  const form = new FormData();
  form.append("file", image, image.name || "image");
  if (className) form.append("class", className);
  const headers = state.key ? { "X-API-Key": state.key } : {};
  return fetch("explain", { method: "POST", body: form, headers, signal, credentials: "same-origin" });
}

function busy(is, text = "") {
  document.body.classList.toggle("busy", is);
  byId("result").setAttribute("aria-busy", String(is));
  show(byId("working"), is);
  byId("status").textContent = text;
  if (is) show(byId("error"), false);
}

function detailOf(body) {
  const said = body && (body.error ?? body.detail);
  return typeof said === "string" ? said.slice(0, 300) : "";
}

const WORDS = {
  0: "The server cannot be reached.",
  400: "The file is not an image that the network can read.",
  403: "The server does not allow this request.",
  408: "The image took too long to arrive.",
  413: "The image is too large for this server.",
  415: "The file is not an image that the network can read.",
  422: "The file is not an image that the network can read.",
  429: "The server is busy. Try again in a moment.",
  503: "The server is busy or not ready. Try again in a moment.",
  504: "The server took too long. Try again in a moment.",
};

function fail(status, detail, after) {
  let words = WORDS[status] || (status >= 500 ? "The server could not answer." : "The server refused the image.");
  const seconds = Number(after);
  if (status === 429 && seconds > 1) words = `The server is busy. Try again in ${Math.ceil(seconds)} seconds.`;
  problem(words, detail, status === 0 || status === 408 || status === 429 || status >= 500);
}

function problem(words, detail = "", again = false) {
  byId("problem").textContent = words;
  byId("detail").textContent = detail;
  show(byId("detail"), Boolean(detail));
  show(byId("again"), again);
  show(byId("error"), true);
  restore();
}

// --- an image comes in -----------------------------------------------------------------------------------------------

function take(image) {
  if (!image) return;
  if (!image.size) { problem("The file is empty."); return; }
  preview(image);
  ask(image, "");
}

function preview(image) {
  dropPreview();
  state.preview = URL.createObjectURL(image);
  document.body.classList.add("started");
  show(byId("hint"), false);
  show(byId("heat"), false);
  setImage(state.preview, "The image that is being sent");
}

function dropPreview() {
  if (state.preview) URL.revokeObjectURL(state.preview);
  state.preview = "";
}

function setImage(address, words) {
  const image = byId("image");
  image.onload = () => image.classList.toggle("small", image.naturalWidth < 128);
  image.onerror = () => show(image, false); // a format that the network can read and this browser cannot
  image.classList.toggle("sent", address === state.preview); // the network sees white for transparent pixels
  image.src = address;
  image.alt = words;
  show(image, true);
}

// After a failure, show the image that the displayed answer belongs to.
function restore() {
  if (!state.preview) {
    if (state.answer) check(state.answer.explained);
    return;
  }
  dropPreview();
  if (state.answer) { showImage(); return; }
  document.body.classList.remove("started");
  byId("image").removeAttribute("src");
  show(byId("image"), false);
  show(byId("hint"), true);
}

// --- showing ----------------------------------------------------------------------------------------------------------

function showAnswer(image, answer) {
  dropPreview();
  state.image = image;
  state.answer = answer;
  state.heats = new Map([[answer.explained, answer.heat]]);
  byId("headline").replaceChildren(answer.label, " ", span(percent(answer.score), "figure"));
  show(byId("is-ood"), answer.is_ood);
  byId("ood-score").textContent = `OOD score ${answer.ood_score.toFixed(2)}; above 1, an image is unlike the training images.`;
  showBars(FIRST_CLASSES);
  showNeighbours(answer.neighbours || []);
  show(byId("result"), true);
  showImage();
}

function showImage() {
  setImage(state.answer.image, "The image as the network saw it");
  showHeat(state.answer.explained, state.heats.get(state.answer.explained));
}

function showHeat(name, address) {
  state.answer.explained = name;
  state.heats.set(name, address);
  const image = byId("heat");
  image.onload = () => { if (isEmpty(image)) byId("status").textContent = `There is no evidence for ${name} in the image.`; };
  image.src = address;
  image.alt = `Heat map: where the network looked for ${name}`;
  byId("status").textContent = "";
  check(name);
  applyHeat();
}

function applyHeat() {
  const shown = byId("shown").checked;
  show(byId("heat"), shown && Boolean(state.answer) && !state.preview);
  byId("heat").style.opacity = String(byId("strength").value / 100);
  byId("strength").disabled = !shown;
}

function isEmpty(image) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 32;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, 32, 32);
  return context.getImageData(0, 0, 32, 32).data.every((value, place) => place % 4 !== 3 || value < 4);
}

function showBars(most) {
  const classes = state.answer.classes;
  byId("bars").replaceChildren(...classes.slice(0, most).map(bar));
  const more = classes.length > most;
  show(byId("all"), more);
  byId("all").textContent = `Show all ${classes.length.toLocaleString("en")} classes`;
  check(state.answer.explained);
}

function bar({ name, probability }) {
  const label = document.createElement("label");
  const choice = document.createElement("input");
  const line = span("", "line");
  label.className = "class";
  Object.assign(choice, { type: "radio", name: "class", value: name });
  choice.setAttribute("aria-label", `${name}, ${percent(probability)}`);
  choice.addEventListener("change", () => chooseClass(name));
  line.append(span("", ""));
  line.firstChild.style.setProperty("--percent", String(100 * probability));
  label.append(choice, span(name, "name"), span(percent(probability), "share"), line);
  return label;
}

function check(name) {
  for (const choice of byId("bars").querySelectorAll("input")) choice.checked = choice.value === name;
}

function chooseClass(name) {
  byId("shown").checked = true;
  const known = state.heats.get(name);
  if (!known) { ask(state.image, name); return; }
  state.asking?.abort();
  state.asking = null;
  busy(false);
  showHeat(name, known);
}

function showNeighbours(neighbours) {
  byId("neighbours").replaceChildren(...neighbours.map(({ label, distance, thumbnail }) => {
    const item = document.createElement("li");
    const thumb = span("", "thumb");
    const image = document.createElement("img");
    Object.assign(image, { src: thumbnail, alt: "" });
    if (thumbnail) thumb.append(image);
    item.append(thumb, span(label, "label"), span(`distance ${distance.toFixed(2)}`, "soft"));
    return item;
  }));
  show(byId("near"), neighbours.length > 0);
}

function span(text, name) {
  const element = document.createElement("span");
  element.textContent = text;
  element.className = name;
  return element;
}

function percent(share) {
  if (share > 0 && share < 0.001) return "< 0.1 %";
  return share < 1 && share > 0.999 ? "> 99.9 %" : `${(100 * share).toFixed(1)} %`;
}

// --- key --------------------------------------------------------------------------------------------------------------

function askForKey() {
  restore();
  show(byId("key-wrong"), Boolean(state.key));
  byId("key").value = "";
  byId("key-dialog").showModal();
}

function keepKey() {
  state.key = byId("key").value.trim();
  try { sessionStorage.setItem(KEY, state.key); } catch { /* as above */ }
  byId("key-dialog").close();
  repeat();
}

function repeat() {
  const { image, className } = state.wanted || {};
  if (!image) return;
  if (!className) preview(image);
  ask(image, className);
}

// --- camera -----------------------------------------------------------------------------------------------------------

async function openCamera() {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
    byId("video").srcObject = stream;
    byId("camera-dialog").showModal();
  } catch (error) {
    const denied = error.name === "NotAllowedError";
    problem(denied ? "This page is not allowed to use the camera." : "The camera could not be opened.");
  }
}

function closeCamera() {
  for (const track of byId("video").srcObject?.getTracks() || []) track.stop();
  byId("video").srcObject = null;
}

function shoot() {
  const video = byId("video");
  if (!video.videoWidth) return; // no frame has arrived yet
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((image) => { byId("camera-dialog").close(); take(image); }, "image/png");
}

// --- events -----------------------------------------------------------------------------------------------------------

function listenForImages() {
  for (const id of ["file", "photo"]) {
    byId(id).addEventListener("change", (event) => {
      take(event.target.files[0]);
      event.target.value = ""; // so that the same file can be chosen again
    });
  }
  byId("frame").addEventListener("click", () => { if (!state.answer && !state.preview) byId("file").click(); });
  let depth = 0;
  const dropping = (is) => document.body.classList.toggle("dropping", is);
  addEventListener("dragenter", (event) => { event.preventDefault(); depth += 1; dropping(true); });
  addEventListener("dragleave", () => { depth = Math.max(0, depth - 1); dropping(depth > 0); });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    dropping(false);
    if (document.querySelector("dialog[open]")) return;
    const file = event.dataTransfer.files[0];
    if (file) take(file);
    else problem("No file was dropped.", "To use an image from another page, copy it and paste it here.");
  });
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files || [])][0];
    if (!file || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    take(file);
  });
}

function listen() {
  listenForImages();
  byId("shown").addEventListener("change", applyHeat);
  byId("strength").addEventListener("input", applyHeat);
  byId("all").addEventListener("click", () => {
    showBars(Infinity);
    byId("bars").querySelectorAll("input")[FIRST_CLASSES]?.closest("label").scrollIntoView({ block: "nearest" });
    (byId("bars").querySelector("input:checked") || byId("bars").querySelector("input")).focus({ preventScroll: true });
  });
  byId("again").addEventListener("click", repeat);
  byId("camera").addEventListener("click", openCamera);
  byId("shoot").addEventListener("click", shoot);
  byId("camera-close").addEventListener("click", () => byId("camera-dialog").close());
  byId("camera-dialog").addEventListener("close", closeCamera);
  byId("key-form").addEventListener("submit", (event) => { event.preventDefault(); keepKey(); });
  byId("key-close").addEventListener("click", () => byId("key-dialog").close());
  const phone = matchMedia("(pointer: coarse)").matches;
  show(byId("capture"), phone); // the phone's own camera app also works without an encrypted connection
  show(byId("camera"), !phone && Boolean(navigator.mediaDevices?.getUserMedia));
}

listen();
