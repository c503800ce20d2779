// The web page of a server: takes images, sends them to `explain` and shows the answers.
import * as asking from "./asking.js";
import { askForKeyBy, isEmpty, problem, repeat, take } from "./images.js";
import { byId, show } from "./parts.js";
import { applyHeat, place } from "./picture.js";

// --- the model --------------------------------------------------------------------------------------------------------

async function nameModel() {
  const found = await asking.about("healthz");
  if (!found) return;
  byId("model-name").textContent = `${found.model}, version ${found.version}`;
  document.title = `${found.model}: what is in the image?`;
  show(byId("served"), true);
  if (!found.key_required || asking.hasKey()) describeModel();
}

async function describeModel() {
  const found = await asking.about("model");
  if (!found) return;
  const classes = found.labels.length.toLocaleString("en");
  byId("model-facts").textContent = `${classes} classes, ${found.side} × ${found.side} pixels, computed by ${found.engine}.`;
  byId("model-labels").textContent = found.labels.join(", ");
  byId("card").textContent = found.card;
  show(byId("card"), Boolean(found.card));
  show(byId("about"), true);
}

// --- key --------------------------------------------------------------------------------------------------------------

function askForKey() {
  show(byId("key-wrong"), asking.hasKey());
  byId("key").value = "";
  byId("key-dialog").showModal();
}

function keepKey() {
  asking.keepKey(byId("key").value);
  byId("key-dialog").close();
  repeat();
  describeModel();
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
  canvas.toBlob((image) => { byId("camera-dialog").close(); take([image]); }, "image/png");
}

// --- events -----------------------------------------------------------------------------------------------------------

function listenForImages() {
  for (const id of ["file", "photo"]) {
    byId(id).addEventListener("change", (event) => {
      take(event.target.files);
      event.target.value = ""; // so that the same file can be chosen again
    });
  }
  byId("frame").addEventListener("click", () => { if (isEmpty()) byId("file").click(); });
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
    if (event.dataTransfer.files.length) take(event.dataTransfer.files);
    else problem("No file was dropped.", "To use an image from another page, copy it and paste it here.");
  });
  addEventListener("paste", (event) => {
    const files = event.clipboardData?.files;
    if (!files?.length || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    take(files);
  });
}

function listen() {
  listenForImages();
  askForKeyBy(askForKey);
  byId("shown").addEventListener("change", () => applyHeat());
  byId("strength").addEventListener("input", () => applyHeat());
  byId("again").addEventListener("click", repeat);
  byId("camera").addEventListener("click", openCamera);
  byId("shoot").addEventListener("click", shoot);
  byId("camera-close").addEventListener("click", () => byId("camera-dialog").close());
  byId("camera-dialog").addEventListener("close", closeCamera);
  byId("key-form").addEventListener("submit", (event) => { event.preventDefault(); keepKey(); });
  byId("key-close").addEventListener("click", () => byId("key-dialog").close());
  new ResizeObserver(place).observe(byId("frame"));
  const phone = matchMedia("(pointer: coarse)").matches;
  show(byId("capture"), phone); // the phone's own camera app also works without an encrypted connection
  show(byId("camera"), !phone && Boolean(navigator.mediaDevices?.getUserMedia));
}

listen();
nameModel();
