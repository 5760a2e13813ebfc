// The Jupyter server of this page, in front ends that have one.

/**
 * The address of this page's Jupyter server, the headers it needs, and the folder that it serves, if it says so.
 * @typedef {{ url: string, headers: Record<string, string>, root: string }} JupyterServer
 */

/** @returns {JupyterServer | null} null in front ends without one */
export function jupyterServer() {
  const element = document.getElementById("jupyter-config-data");
  if (!element) return null;
  try {
    const config = JSON.parse(element.textContent ?? "");
    if (!config.baseUrl) return null;
    /** @type {Record<string, string>} */
    const headers = {};
    const xsrf = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/);
    if (xsrf?.[1]) headers["X-XSRFToken"] = decodeURIComponent(xsrf[1]);
    if (config.token) headers.Authorization = `token ${config.token}`;
    return { url: new URL(config.baseUrl, location.href).href, headers, root: rootOf(config) };
  } catch {
    return null;
  }
}

/** @param {{ rootUri?: string, serverRoot?: string }} config */
function rootOf({ rootUri = "", serverRoot = "" }) {
  const root = rootUri.startsWith("file:///") ? decodeURIComponent(rootUri.slice(7)) : serverRoot;
  return root.startsWith("/") ? root.replace(/\/+$/, "") : "";
}

/**
 * The path by which the page's Jupyter server serves a file of the kernel's machine: it must confirm it with the same
 * size.
 * @param {{ path: string, size: number }} file
 * @returns {Promise<string | null>}
 */
export async function servedAt(file) {
  const server = jupyterServer();
  if (!server?.root || !file.path.startsWith(`${server.root}/`)) return null;
  const place = file.path
    .slice(server.root.length + 1)
    .split("/")
    .map(encodeURIComponent)
    .join("/");
  try {
    const answer = await fetch(`${server.url}api/contents/${place}?content=0`, {
      headers: server.headers,
      credentials: "same-origin",
    });
    if (!answer.ok || (await answer.json()).size !== file.size) return null;
  } catch {
    return null;
  }
  const url = new URL(`${server.url}files/${place}`);
  return /^https?:$/.test(url.protocol) && url.host === location.host ? url.pathname : null;
}
