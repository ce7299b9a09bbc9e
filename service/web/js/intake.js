/** The ways in: pick, drop (folders too), paste. */

import { find } from "./dom.js";

// browsers repeat dragover every 50 to 350 milliseconds
const STILL_HOVERING = 700;

/** @param {(files: File[]) => void} take */
export function openIntake(take) {
  const picker = find("picker");
  picker.addEventListener("change", () => {
    take([...picker.files]);
    picker.value = "";
  });
  for (const button of document.querySelectorAll("[data-pick]")) {
    button.addEventListener("click", () => picker.click());
  }
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) {
      event.preventDefault();
      take([...event.clipboardData.files]);
    }
  });
  openDrop(take);
  return { pick: () => picker.click() };
}

function openDrop(take) {
  const veil = find("drop");
  let gone = null;
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const hide = () => {
    clearTimeout(gone);
    veil.hidden = true;
  };
  document.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    veil.hidden = false;
    // this event repeats for as long as something hovers; what tells that it left is unreliable
    clearTimeout(gone);
    gone = setTimeout(hide, STILL_HOVERING);
  });
  document.addEventListener("drop", async (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    hide();
    take(await filesOf(event.dataTransfer));
  });
}

async function filesOf(transfer) {
  // the list empties as soon as this task ends: take everything before the first await
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = [...transfer.files];
  if (!entries.some((entry) => entry.isDirectory)) return files;
  return (await Promise.all(entries.map(walk))).flat();
}

async function walk(entry) {
  if (entry.name.startsWith(".") || entry.name === "DICOMDIR") return [];
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    // a call gives at most a hundred
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    found.push(...some);
  }
  return (await Promise.all(found.map(walk))).flat();
}
