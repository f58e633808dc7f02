// What kind of image a file is, told from its first bytes, and whether a browser can show it.

const KINDS = [
  // First, since what stands before a DICOM header may look like another type.
  { name: "DICOM", viewable: false, at: 128, magic: [0x44, 0x49, 0x43, 0x4d] },
  { name: "PNG", viewable: true, at: 0, magic: [0x89, 0x50, 0x4e, 0x47] },
  { name: "JPEG", viewable: true, at: 0, magic: [0xff, 0xd8, 0xff] },
  { name: "TIFF", viewable: false, at: 0, magic: [0x49, 0x49, 0x2a, 0x00] },
  { name: "TIFF", viewable: false, at: 0, magic: [0x4d, 0x4d, 0x00, 0x2a] },
];
const UNKNOWN = { name: "File", viewable: false, known: false };

export async function kindOf(file) {
  const start = new Uint8Array(await file.slice(0, 132).arrayBuffer());
  const fits = ({ at, magic }) => magic.every((byte, index) => start[at + index] === byte);
  const kind = KINDS.find(fits);
  return kind ? { ...kind, known: true } : UNKNOWN;
}
