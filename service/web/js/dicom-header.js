/** The technical elements of a DICOM header (PS3.5 section 7), read in the browser: what is listed here, and no other. */

/** tag -> name of PS3.6, and the VR where the file does not say it (implicit VR) */
const TECHNICAL = new Map(
  Object.entries({
    "0002,0010": ["Transfer Syntax UID", "UI"],
    "0008,0016": ["SOP Class UID", "UI"],
    "0008,0060": ["Modality", "CS"],
    "0008,0064": ["Conversion Type", "CS"],
    "0008,0068": ["Presentation Intent Type", "CS"],
    "0008,0070": ["Manufacturer", "LO"],
    "0008,1090": ["Manufacturer's Model Name", "LO"],
    "0018,0015": ["Body Part Examined", "CS"],
    "0018,0060": ["KVP", "DS"],
    "0018,1110": ["Distance Source to Detector", "DS"],
    "0018,1150": ["Exposure Time", "IS"],
    "0018,1151": ["X-Ray Tube Current", "IS"],
    "0018,1152": ["Exposure", "IS"],
    "0018,1164": ["Imager Pixel Spacing", "DS"],
    "0018,1166": ["Grid", "CS"],
    "0018,1411": ["Exposure Index", "DS"],
    "0018,1413": ["Deviation Index", "DS"],
    "0018,5101": ["View Position", "CS"],
    "0018,7004": ["Detector Type", "CS"],
    "0020,0020": ["Patient Orientation", "CS"],
    "0020,0062": ["Image Laterality", "CS"],
    "0028,0002": ["Samples per Pixel", "US"],
    "0028,0004": ["Photometric Interpretation", "CS"],
    "0028,0008": ["Number of Frames", "IS"],
    "0028,0010": ["Rows", "US"],
    "0028,0011": ["Columns", "US"],
    "0028,0030": ["Pixel Spacing", "DS"],
    "0028,0100": ["Bits Allocated", "US"],
    "0028,0101": ["Bits Stored", "US"],
    "0028,0103": ["Pixel Representation", "US"],
    "0028,0301": ["Burned In Annotation", "CS"],
    "0028,1050": ["Window Center", "DS"],
    "0028,1051": ["Window Width", "DS"],
    "0028,1052": ["Rescale Intercept", "DS"],
    "0028,1053": ["Rescale Slope", "DS"],
    "0028,1056": ["VOI LUT Function", "CS"],
    "0028,2110": ["Lossy Image Compression", "CS"],
    "2050,0020": ["Presentation LUT Shape", "CS"],
  }),
);

// bytes of a file that are searched; headers of X-rays are far smaller
const LIMIT = 1 << 20;
const PREAMBLE = 128;
const IMPLICIT = "1.2.840.10008.1.2";
const BIG_ENDIAN = "1.2.840.10008.1.2.2";
const DEFLATED = "1.2.840.10008.1.2.1.99";
// VRs whose length has four bytes
const LONG = new Set(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]);
const UNDEFINED = 0xffffffff;
const ITEM = "fffe,e000";
const ITEM_END = "fffe,e00d";
const SEQUENCE_END = "fffe,e0dd";
const PIXEL_DATA = "7fe0,0010";

/**
 * @param {Blob} file
 * @returns {Promise<{tag: string, name: string, value: string}[]|null>} null: it is no DICOM file
 */
export async function readHeader(file) {
  const bytes = new DataView(await file.slice(0, LIMIT).arrayBuffer());
  if (bytes.byteLength < PREAMBLE + 4 || letters(bytes, PREAMBLE, 4) !== "DICM") return null;
  const found = [];
  try {
    const start = read(bytes, PREAMBLE + 4, { explicit: true, little: true }, "0002", found);
    const syntax = found.find(({ tag }) => tag === "0002,0010")?.value;
    if (syntax !== DEFLATED) read(bytes, start, { explicit: syntax !== IMPLICIT, little: syntax !== BIG_ENDIAN }, null, found);
  } catch (error) {
    // a damaged header, or one that goes on beyond the limit: what was found until there
    if (!(error instanceof RangeError)) throw error;
  }
  return found;
}

/** Collect the technical elements of one group, or of all up to the pixel data. @returns {number} where it ended */
function read(bytes, start, encoding, group, found) {
  let place = start;
  while (place + 8 <= bytes.byteLength) {
    const element = elementAt(bytes, place, encoding);
    if (element.tag === PIXEL_DATA || (group && !element.tag.startsWith(group))) break;
    const [name, implicitVr] = TECHNICAL.get(element.tag) ?? [];
    if (name) {
      const value = valueOf(bytes, { ...element, vr: element.vr ?? implicitVr }, encoding.little);
      if (value) found.push({ tag: element.tag, name, value });
    }
    place = endOf(bytes, element, encoding);
  }
  return place;
}

/** vr null: the file does not say it. */
function elementAt(bytes, place, { explicit, little }) {
  const hex = (offset) => bytes.getUint16(place + offset, little).toString(16).padStart(4, "0");
  const tag = `${hex(0)},${hex(2)}`;
  if (!explicit || tag.startsWith("fffe")) return { tag, vr: null, value: place + 8, length: bytes.getUint32(place + 4, little) };
  const vr = letters(bytes, place + 4, 2);
  return LONG.has(vr)
    ? { tag, vr, value: place + 12, length: bytes.getUint32(place + 8, little) }
    : { tag, vr, value: place + 8, length: bytes.getUint16(place + 6, little) };
}

/** Where the next element begins; a sequence of undefined length has to be walked through. */
function endOf(bytes, { tag, vr, value, length }, encoding) {
  if (length !== UNDEFINED) return value + length;
  // the items of an unknown element are encoded with implicit VR (PS3.5 section 6.2.2)
  const inner = vr === "UN" ? { ...encoding, explicit: false } : encoding;
  const end = tag === ITEM ? ITEM_END : SEQUENCE_END;
  let place = value;
  for (;;) {
    const element = elementAt(bytes, place, inner);
    if (element.tag === end) return element.value;
    place = endOf(bytes, element, inner);
  }
}

function valueOf(bytes, { vr, value, length }, little) {
  if (vr === "US") return length >= 2 ? String(bytes.getUint16(value, little)) : "";
  return letters(bytes, value, Math.min(length, 256)).replaceAll("\0", "").trim().replaceAll("\\", " \\ ");
}

function letters(bytes, place, count) {
  return String.fromCharCode(...new Uint8Array(bytes.buffer, place, count));
}
