/** Adding files: file dialog, drag and drop (folders too), paste. */

import { find } from "./dom.js";

// browsers repeat dragover every 50 to 350 milliseconds
const DRAG_END_DELAY = 700;

/** @param {(files: File[]) => void} take */
export function openFileInput(take) {
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
  const overlay = find("drop");
  let gone = null;
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const hide = () => {
    clearTimeout(gone);
    overlay.hidden = true;
  };
  document.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    overlay.hidden = false;
    // dragover repeats while something hovers; dragleave is unreliable
    clearTimeout(gone);
    gone = setTimeout(hide, DRAG_END_DELAY);
  });
  document.addEventListener("drop", async (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    hide();
    take(await filesOf(event.dataTransfer));
  });
}

async function filesOf(transfer) {
  // the list is emptied when this task ends: read it all before the first await
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
    // one call returns at most 100 entries
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    found.push(...some);
  }
  return (await Promise.all(found.map(walk))).flat();
}
