// The module that anywidget loads: it shows a view of a panel in an element of the page.

import "./styles/panel.css";
import { App } from "./app.jsx";

export default {
  /** @param {{ model: import("./messages.js").Model, el: HTMLElement }} context */
  render({ model, el }) {
    const app = new App(model, el);
    return () => app.end();
  },
};
