// What of a page does not look as it should: words that are cut off, run over their neighbours, or are hard to read.
(() => {
  const wrong = [];
  const shown = (element) => {
    for (let each = element; each && each.nodeType === 1; each = each.parentElement) {
      const style = getComputedStyle(each);
      if (style.display === "none" || style.visibility === "hidden" || each.classList.contains("heard")) return false;
    }
    return true;
  };
  const rgba = (text) => {
    const found = text.match(/[\d.]+/g).map(Number);
    return found.length > 3 ? found : [...found, 1];
  };
  const over = (top, share, under) => under.map((each, place) => top[place] * share + each * (1 - share));
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = rgba(getComputedStyle(each).backgroundColor);
      if (colour[3] > 0.99) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const light = (colour) => {
    const parts = colour.map((each) => each / 255).map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const contrast = (element) => {
    const style = getComputedStyle(element);
    const under = ground(element);
    const ink = rgba(element.namespaceURI.endsWith("svg") ? style.fill : style.color);
    let share = ink[3];
    for (let each = element; each; each = each.parentElement) share *= Number(getComputedStyle(each).opacity);
    const [bright, dark] = [light(over(ink, share, under)), light(under)].sort((a, b) => b - a);
    return (bright + 0.05) / (dark + 0.05);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const element = node.parentElement;
    const words = node.data.trim();
    if (!words || !shown(element) || element.closest("details:not([open]) > :not(summary)")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const scroll = element.closest(".scroll");
    const cell = element.closest("td, th");
    const left = scroll ? scroll.getBoundingClientRect().left - scroll.scrollLeft : 0;
    const right = scroll ? left + scroll.scrollWidth : innerWidth;
    for (const box of range.getClientRects()) {
      if (box.left < left - 1 || box.right > right + 1) wrong.push(`cut off: ${words}`);
      const own = cell && cell.getBoundingClientRect();
      if (own && (box.left < own.left - 1 || box.right > own.right + 1)) wrong.push(`out of its cell: ${words}`);
    }
    const clip = getComputedStyle(element);
    if (clip.overflowX === "hidden" && element.scrollWidth > element.clientWidth + 1) wrong.push(`clipped: ${words}`);
    if (parseFloat(clip.fontSize) < 11.5) wrong.push(`too small: ${words}`);
    if (contrast(element) < 4.5) wrong.push(`contrast ${contrast(element).toFixed(2)}: ${words}`);
  }
  for (const axis of document.querySelectorAll("svg.axis, svg.beside")) {
    const marks = [...axis.querySelectorAll("text")].filter(shown).map((each) => [each, each.getBoundingClientRect()]);
    for (const [place, [mark, box]] of marks.entries()) {
      for (const [other, beside] of marks.slice(place + 1)) {
        const apart = box.right < beside.left || beside.right < box.left || box.bottom < beside.top || beside.bottom < box.top;
        if (!apart) wrong.push(`on each other: ${mark.textContent}, ${other.textContent}`);
      }
    }
  }
  return [...new Set(wrong)];
})();
