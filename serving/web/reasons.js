// Why an image is referred, in words that need no knowledge of the measures behind them.

const QUALITY = /^image quality: (.+) out of range$/;
const MEASURES = {
  mean: "brightness",
  std: "spread of greys",
  contrast: "contrast",
  entropy: "amount of detail",
  sharpness: "sharpness",
  "black share": "black areas",
  "white share": "white areas",
};
const WORDS = {
  "low confidence": "Low confidence: no label is likely enough",
  "several labels are possible": "Several labels are possible",
  "no label fits": "No label fits this image",
};
const list = new Intl.ListFormat("en");

// All measures of image quality become one sentence; a reason without other words keeps its own.
export function inWords(reasons) {
  const measures = reasons.map((reason) => QUALITY.exec(reason)?.[1]).filter(Boolean);
  const sentences = reasons
    .filter((reason) => !QUALITY.test(reason))
    .map((reason) => WORDS[reason] ?? reason);
  if (measures.length) {
    const names = measures.map((measure) => MEASURES[measure] ?? measure);
    sentences.push(`Unusual image quality: ${list.format(names)}`);
  }
  return sentences;
}
