// Elements made in code. Text is always text: nothing here, and nothing that uses it, reads a string as HTML.

/**
 * An element with attributes, listeners and children.
 *
 * A function is a listener (`onclick`), `true` an empty attribute, `false`, `null` and `undefined` none; a string among the
 * children becomes text.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, unknown>} [attributes]
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.replace(/^on/, ""), /** @type {EventListener} */ (value));
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, String(value));
  }
  for (const child of children) if (child) made.append(child);
  return made;
}

/**
 * Load a stylesheet that lies beside a module, once.
 * @param {string} name The file's name, such as "picker.css".
 * @param {string} beside The module's `import.meta.url`.
 */
export function stylesheet(name, beside) {
  const href = new URL(name, beside).href;
  if (document.querySelector(`link[href="${CSS.escape(href)}"]`)) return;
  document.head.append(element("link", { rel: "stylesheet", href }));
}

/**
 * A picture from the server.
 * @param {string} url
 * @returns {Promise<HTMLImageElement>} Rejects with an error that names the address.
 */
export function loadImage(url) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error(`the picture ${url} could not be loaded`));
    image.src = url;
  });
}

/**
 * Keep the graph canvas from taking what happens on a widget: dragging a node, zooming, deleting with the keyboard.
 * @param {HTMLElement} root
 */
export function keepEvents(root) {
  for (const name of ["pointerdown", "mousedown", "dblclick", "contextmenu", "keydown", "keyup", "copy", "paste", "wheel"]) {
    root.addEventListener(name, (event) => event.stopPropagation());
  }
}
