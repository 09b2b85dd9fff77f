// Two ways to paint one picture: on a canvas for the screen, as SVG for paper.
// A paint is {fill, texture, ink, alpha}; coordinates are CSS pixels.

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

const themeNow = () => shoot.themes[isDark() ? "dark" : "light"];
const FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";

/** How a camera is painted. */
function paintOf(theme, camera) {
  const { colour, texture } = shoot.cameras[camera];
  const [fill, ink] = theme.cameras[colour];
  return { fill, ink, texture, over: theme.card };
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
    if (paint.texture && paint.texture !== "plain") {
      this.ink.fillStyle = this.pattern(paint.texture, paint.over);
      this.ink.fillRect(x, y, width, height);
    }
    this.ink.globalAlpha = 1;
  }

  polygon(points, paint) {
    this.path(points, true);
    this.ink.globalAlpha = paint.alpha ?? 1;
    if (paint.fill) {
      this.ink.fillStyle = paint.fill;
      this.ink.fill();
      if (paint.texture && paint.texture !== "plain") {
        this.ink.fillStyle = this.pattern(paint.texture, paint.over);
        this.ink.fill();
      }
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

  /** A texture's tile, made once for each colour. */
  pattern(texture, colour) {
    const key = texture + colour;
    if (!this.patterns.has(key)) this.patterns.set(key, this.tile(texture, colour));
    return this.patterns.get(key);
  }

  tile(texture, colour) {
    const { size, alpha } = TILES[texture];
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = Math.round(size * this.ratio);
    const ink = canvas.getContext("2d");
    ink.scale(canvas.width / size, canvas.width / size);
    ink.globalAlpha = alpha;
    ink.fillStyle = ink.strokeStyle = colour;
    if (texture === "dots") {
      ink.arc(size / 2, size / 2, 1.4, 0, 7);
      ink.fill();
    } else {
      ink.lineWidth = texture === "gap" ? 1.6 : 2.2;
      for (const shift of [-size, 0, size]) {
        ink.beginPath();
        ink.moveTo(shift - 1, size + 1);
        ink.lineTo(shift + size + 1, -1);
        ink.stroke();
      }
    }
    const pattern = this.ink.createPattern(canvas, "repeat");
    pattern.setTransform(new DOMMatrix().scale(size / canvas.width));
    return pattern;
  }
}

const TILES = { stripes: { size: 7, alpha: 0.72 }, dots: { size: 6, alpha: 0.8 }, gap: { size: 7, alpha: 0.85 } };

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
    if (paint.texture && paint.texture !== "plain") {
      this.make(name, { ...attributes, fill: this.pattern(paint.texture, paint.over), opacity: alpha });
    }
  }

  rect(x, y, width, height, paint) {
    this.shape("rect", { x: round(x), y: round(y), width: round(width), height: round(height) }, paint);
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

  pattern(texture, colour) {
    const key = texture + colour;
    if (!this.patterns.has(key)) this.patterns.set(key, this.tile(texture, colour));
    return this.patterns.get(key);
  }

  tile(texture, colour) {
    const id = `p${strips.patterns++}`;
    const { size, alpha } = TILES[texture];
    const box = { width: size, height: size, patternUnits: "userSpaceOnUse" };
    const pattern = this.make("pattern", { id, ...box, patternTransform: texture === "dots" ? undefined : "rotate(45)" });
    const look = { fill: colour, "fill-opacity": alpha };
    if (texture === "dots") this.make("circle", { cx: size / 2, cy: size / 2, r: 1.4, ...look }, pattern);
    else this.make("rect", { width: texture === "gap" ? 1.6 : 2.2, height: size, ...look }, pattern);
    return `url(#${id})`;
  }
}

/** Patterns are known by their id in the whole page. */
const strips = { patterns: 0 };
const round = (number) => Math.round(number * 100) / 100;
