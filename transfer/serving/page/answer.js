// The answer for one image: class, distance from the training images, classes to choose from, nearest training images.
import { byId, percent, show, span } from "./parts.js";

const FIRST_CLASSES = 10;

export function showAnswer(answer, choose) {
  byId("headline").replaceChildren(answer.label, " ", span(percent(answer.score), "figure"));
  show(byId("is-ood"), answer.is_ood);
  byId("ood-score").textContent = `OOD score ${answer.ood_score.toFixed(2)}; above 1, an image is unlike the training images.`;
  showBars(answer, FIRST_CLASSES, choose);
  byId("all").onclick = () => {
    showBars(answer, Infinity, choose);
    byId("bars").querySelectorAll("input")[FIRST_CLASSES]?.closest("label").scrollIntoView({ block: "nearest" });
    (byId("bars").querySelector("input:checked") || byId("bars").querySelector("input")).focus({ preventScroll: true });
  };
  showNeighbours(answer.neighbours || []);
  show(byId("result"), true);
}

// Leave nothing of an answer on the page.
export function clearAnswer() {
  byId("headline").replaceChildren();
  byId("ood-score").textContent = "";
  byId("bars").replaceChildren();
  byId("neighbours").replaceChildren();
  for (const id of ["is-ood", "result", "near", "all"]) show(byId(id), false);
}

export function check(name) {
  for (const choice of byId("bars").querySelectorAll("input")) choice.checked = choice.value === name;
}

function showBars(answer, most, choose) {
  byId("bars").replaceChildren(...answer.classes.slice(0, most).map((one) => bar(one, choose)));
  show(byId("all"), answer.classes.length > most);
  byId("all").textContent = `Show all ${answer.classes.length.toLocaleString("en")} classes`;
  check(answer.explained);
}

function bar({ name, probability }, choose) {
  const label = document.createElement("label");
  const choice = document.createElement("input");
  const line = span("", "line");
  label.className = "class";
  Object.assign(choice, { type: "radio", name: "class", value: name });
  choice.setAttribute("aria-label", `${name}, ${percent(probability)}`);
  choice.addEventListener("change", () => choose(name));
  line.append(span("", ""));
  line.firstChild.style.setProperty("--percent", String(100 * probability));
  label.append(choice, span(name, "name"), span(percent(probability), "share"), line);
  return label;
}

function showNeighbours(neighbours) {
  byId("neighbours").replaceChildren(...neighbours.map(({ label, distance, thumbnail }) => {
    const item = document.createElement("li");
    const small = span("", "small-image");
    const image = document.createElement("img");
    Object.assign(image, { src: thumbnail, alt: "" });
    if (thumbnail) small.append(image);
    item.append(small, span(label, "name"), span(`distance ${distance.toFixed(2)}`, "soft"));
    return item;
  }));
  show(byId("near"), neighbours.length > 0);
}
