/** Whether the browser can show a file itself, in all of its pixels, where the service's drawing is a reduced copy. */

// of the thumbnails that are compared, and the mean difference of their grey values that resampling alone stays below
const SIDE = 32;
const TOLERANCE = 6;

/** Width and height of a PNG image, from its header. @param {Blob} png @returns {Promise<[number, number]>} */
export async function sizeOfPng(png) {
  const header = new DataView(await png.slice(16, 24).arrayBuffer());
  return [header.getUint32(0), header.getUint32(4)];
}

/**
 * Whether the browser decodes the file to what the service read: as upright, as bright.
 * @param {File} file
 * @param {Blob} drawn the service's drawing of it
 */
export async function looksTheSame(file, drawn) {
  try {
    const [one, other] = await Promise.all([thumbnail(file), thumbnail(drawn)]);
    const difference = one.reduce((sum, grey, place) => sum + Math.abs(grey - other[place]), 0);
    return difference / one.length < TOLERANCE;
  } catch {
    return false; // it cannot be decoded here
  }
}

async function thumbnail(blob) {
  const bitmap = await createImageBitmap(blob, { resizeWidth: SIDE, resizeHeight: SIDE, resizeQuality: "high" });
  const context = new OffscreenCanvas(SIDE, SIDE).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, SIDE, SIDE).data;
}
