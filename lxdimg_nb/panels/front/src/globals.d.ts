declare module "*.css";

/** Of the script and the style of panels: build.js puts it into the loader. */
declare const VERSION: string;
