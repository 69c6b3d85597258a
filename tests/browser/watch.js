// Watches one explorer in the page: every frame's picture, every new picture, every pointer move.
// arguments[0]: the explorer's element. Leaves window.jarvisWatch behind.
const root = arguments[0];
const picture = root.querySelector("img");
const canvas = document.createElement("canvas");
canvas.width = 120;
canvas.height = 48;
const pen = canvas.getContext("2d", { willReadFrequently: true });
const origin = () => root.getBoundingClientRect();
const place = () => {
  const box = picture.getBoundingClientRect();
  return [box.left - origin().left, box.top - origin().top, box.width, box.height];
};
const watch = {
  on: true, frames: 0, longest: 0, wrong: [], errors: [], loads: [], moved: null, at: place(),
};
const say = (text) => { if (watch.wrong.length < 20) watch.wrong.push(text); };

// How many of the canvas' pixels are drawn on: neither transparent nor white.
function ink() {
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const data = pen.getImageData(0, 0, canvas.width, canvas.height).data;
  let found = 0;
  for (let k = 0; k < data.length; k += 4) {
    if (data[k + 3] > 200 && data[k] + data[k + 1] + data[k + 2] < 660) found += 1;
  }
  return found;
}

let last = performance.now();
function look(now) {
  if (!watch.on) return;
  watch.frames += 1;
  watch.longest = Math.max(watch.longest, now - last);
  last = now;
  if (!picture.isConnected || root.querySelector("img") !== picture) {
    say("the picture was taken out of the page");
  } else {
    const here = place();
    if (here.some((x, k) => Math.abs(x - watch.at[k]) > 1)) {
      say(`the picture went from ${watch.at.map(Math.round)} to ${here.map(Math.round)}`);
    }
    // While the next picture loads the last one is painted, which no script can read: film.py.
    if (picture.complete && ink() === 0) say("the picture was empty");
  }
  requestAnimationFrame(look);
}
requestAnimationFrame(look);

picture.addEventListener("load", () => watch.loads.push([performance.now(), picture.src]));
picture.addEventListener("error", () => say("a picture did not load"));
new MutationObserver((changes) => {
  for (const change of changes) {
    for (const gone of change.removedNodes) {
      if (gone === picture || (gone.contains && gone.contains(picture))) say("it was removed");
    }
  }
  const said = root.querySelector("[role=alert]");
  if (said && said.textContent.startsWith("Error")) watch.errors.push(said.textContent);
}).observe(root.parentElement, { childList: true, subtree: true, characterData: true });
document.addEventListener("pointermove", (event) => {
  if (watch.moved === null) watch.moved = event.timeStamp;
}, { capture: true });
window.jarvisWatch = watch;
