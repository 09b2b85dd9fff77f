// Two ways to paint one picture: on a canvas for the screen, as SVG for paper.
// A paint is {fill, bands, hatch, line, alpha}; coordinates are CSS pixels.

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

const themeNow = () => shoot.themes[isDark() ? "dark" : "light"];
const FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";

/** Where the light bands of a texture lie: from and how far, as parts of the height. */
const BANDS = { plain: [], band: [[0.4, 0.2]], rails: [[0.17, 0.15], [0.68, 0.15]] };

/** How a camera is painted. */
function paintOf(theme, camera) {
  const { colour, texture } = shoot.cameras[camera];
  const [fill, ink] = theme.cameras[colour];
  return { fill, ink, bands: BANDS[texture], over: theme.card };
}

/** The bands of a paint in a box. */
function bandsIn(paint, y, height) {
  return (paint.bands ?? []).map(([from, part]) => [y + from * height, part * height]);
}

class CanvasPainter {
  constructor(canvas, width, height) {
    this.width = width;
    this.height = height;
    const ratio = Math.min(3, devicePixelRatio || 1);
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    this.ink = canvas.getContext("2d");
    this.ink.scale(ratio, ratio);
    this.ratio = ratio;
    this.patterns = new Map();
  }

  rect(x, y, width, height, paint) {
    this.ink.globalAlpha = paint.alpha ?? 1;
    if (paint.fill) {
      this.ink.fillStyle = paint.fill;
      this.ink.fillRect(x, y, width, height);
    }
    if (paint.hatch) {
      this.ink.fillStyle = this.pattern(paint.hatch);
      this.ink.fillRect(x, y, width, height);
    }
    this.ink.globalAlpha = BAND;
    for (const [top, high] of bandsIn(paint, y, height)) {
      this.ink.fillStyle = paint.over;
      this.ink.fillRect(x, top, width, high);
    }
    this.ink.globalAlpha = 1;
  }

  polygon(points, paint) {
    this.path(points, true);
    this.ink.globalAlpha = paint.alpha ?? 1;
    if (paint.fill) {
      this.ink.fillStyle = paint.fill;
      this.ink.fill();
    }
    this.outline(paint);
  }

  line(points, paint) {
    this.path(points, false);
    this.ink.globalAlpha = paint.alpha ?? 1;
    this.outline(paint);
  }

  circle(x, y, radius, paint) {
    this.ink.beginPath();
    this.ink.arc(x, y, radius, 0, 7);
    if (paint.fill) {
      this.ink.fillStyle = paint.fill;
      this.ink.fill();
    }
    this.outline(paint);
  }

  text(x, y, text, { fill, size = 11, weight = 400, align = "start", room = Infinity }) {
    this.ink.font = `${weight} ${size}px ${FONT}`;
    this.ink.fillStyle = fill;
    this.ink.textAlign = align;
    this.ink.textBaseline = "middle";
    const shown = fitted(text, room, (some) => this.ink.measureText(some).width);
    if (shown) this.ink.fillText(shown, x, y + 0.5);
  }

  measure(text, size, weight = 400) {
    this.ink.font = `${weight} ${size}px ${FONT}`;
    return this.ink.measureText(text).width;
  }

  path(points, closed) {
    this.ink.beginPath();
    points.forEach(([x, y], index) => (index ? this.ink.lineTo(x, y) : this.ink.moveTo(x, y)));
    if (closed) this.ink.closePath();
  }

  outline(paint) {
    if (paint.line) {
      this.ink.strokeStyle = paint.line;
      this.ink.lineWidth = paint.width ?? 1;
      this.ink.setLineDash(paint.dash ?? []);
      this.ink.stroke();
      this.ink.setLineDash([]);
    }
    this.ink.globalAlpha = 1;
  }

  /** The tile of a hatching, made once for each colour. */
  pattern(colour) {
    if (!this.patterns.has(colour)) this.patterns.set(colour, this.tile(colour));
    return this.patterns.get(colour);
  }

  tile(colour) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = Math.round(HATCH * this.ratio);
    const ink = canvas.getContext("2d");
    ink.scale(canvas.width / HATCH, canvas.width / HATCH);
    ink.strokeStyle = colour;
    ink.lineWidth = 1.6;
    for (const shift of [-HATCH, 0, HATCH]) {
      ink.beginPath();
      ink.moveTo(shift - 1, HATCH + 1);
      ink.lineTo(shift + HATCH + 1, -1);
      ink.stroke();
    }
    const pattern = this.ink.createPattern(canvas, "repeat");
    pattern.setTransform(new DOMMatrix().scale(HATCH / canvas.width));
    return pattern;
  }
}

/** How far the lines of a hatching lie apart, and how light a band is. */
const HATCH = 7;
const BAND = 0.8;

/** As much of a text as fits, with an ellipsis; nothing where not even two letters would. */
function fitted(text, room, measure) {
  if (room === Infinity || measure(text) <= room) return text;
  let low = 0;
  let high = Math.min(text.length, Math.ceil(room / 3));
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (measure(`${text.slice(0, middle)}…`) <= room) low = middle;
    else high = middle - 1;
  }
  return low < 2 ? "" : `${text.slice(0, low).trimEnd()}…`;
}

class SvgPainter {
  constructor(width, height, ruler) {
    this.width = width;
    this.height = height;
    this.ruler = ruler;
    this.svg = this.make("svg", { viewBox: `0 0 ${width} ${height}` }, null);
    this.patterns = new Map();
  }

  make(name, attributes, parent = this.svg) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(key, value);
    if (parent) parent.append(element);
    return element;
  }

  shape(name, attributes, paint) {
    const alpha = paint.alpha === undefined ? undefined : round(paint.alpha);
    if (paint.fill || paint.line) {
      this.make(name, {
        ...attributes, fill: paint.fill ?? "none", stroke: paint.line, "stroke-width": paint.line && (paint.width ?? 1),
        "stroke-dasharray": paint.dash?.join(" "), opacity: alpha,
      });
    }
    if (paint.hatch) this.make(name, { ...attributes, fill: this.pattern(paint.hatch), opacity: alpha });
  }

  rect(x, y, width, height, paint) {
    const box = { x: round(x), y: round(y), width: round(width), height: round(height) };
    this.shape("rect", box, paint);
    for (const [top, high] of bandsIn(paint, y, height)) {
      this.make("rect", { ...box, y: round(top), height: round(high), fill: paint.over, "fill-opacity": BAND });
    }
  }

  polygon(points, paint) {
    this.shape("polygon", { points: points.map((point) => point.map(round).join(",")).join(" ") }, paint);
  }

  line(points, paint) {
    this.shape("polyline", { points: points.map((point) => point.map(round).join(",")).join(" ") }, paint);
  }

  circle(x, y, radius, paint) {
    this.shape("circle", { cx: round(x), cy: round(y), r: radius }, paint);
  }

  text(x, y, text, { fill, size = 11, weight = 400, align = "start", room = Infinity }) {
    const shown = fitted(text, room, (some) => this.measure(some, size, weight));
    if (!shown) return;
    const anchor = { center: "middle", end: "end" }[align];
    const attributes = { x: round(x), y: round(y), fill, "font-size": size, "font-weight": weight, "font-family": FONT };
    this.make("text", { ...attributes, "text-anchor": anchor, "dominant-baseline": "central" }).textContent = shown;
  }

  measure(text, size, weight = 400) {
    return this.ruler.measure(text, size, weight);
  }

  pattern(colour) {
    if (!this.patterns.has(colour)) this.patterns.set(colour, this.tile(colour));
    return this.patterns.get(colour);
  }

  tile(colour) {
    const id = `p${strips.patterns++}`;
    const box = { width: HATCH * 0.7, height: HATCH, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
    this.make("rect", { width: 1.6, height: HATCH, fill: colour }, this.make("pattern", { id, ...box }));
    return `url(#${id})`;
  }
}

/** Patterns are known by their id in the whole page. */
const strips = { patterns: 0 };
const round = (number) => Math.round(number * 100) / 100;
