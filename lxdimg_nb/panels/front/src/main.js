// The module of panels: it shows views of a panel in elements of the page.

import "./styles/panel.css";
import { App } from "./app.jsx";

/** @returns a widget as anywidget has them, for one panel */
export default () => {
  /** The views of this panel. @type {Set<App>} */
  const views = new Set();
  return {
    /** @param {{ model: import("./messages.js").Model, el: HTMLElement }} context */
    render({ model, el }) {
      const app = new App(model, el, views);
      return () => app.end();
    },
  };
};
