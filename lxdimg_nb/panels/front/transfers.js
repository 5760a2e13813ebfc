// The transfers of the kernel, running and ended, with bar, rate and Cancel.

const ENDED = { done: "done", failed: "failed", cancelled: "cancelled" };

function transfersPart(app) {
  const transfers = app.state.transfers || [];
  if (!transfers.length) return null;
  const ended = transfers.some((t) => ENDED[t.state]);
  return h(
    "section",
    { class: "lxi-transfers", "aria-label": "Transfers" },
    h(
      "div",
      { class: "lxi-detail-head" },
      h("h4", { class: "lxi-heading" }, "Transfers"),
      ended && button("Clear finished", () => app.send("forget"), { kind: "link" }),
    ),
    h("ul", { class: "lxi-jobs" }, transfers.slice().reverse().slice(0, 12).map((t) => transfer(app, t))),
  );
}

function transfer(app, job) {
  const ended = ENDED[job.state];
  return h(
    "li",
    { key: String(job.job), class: `lxi-job lxi-job-${job.state}`, "data-job": String(job.job) },
    h("span", { class: "lxi-job-title", title: job.where, dir: "auto" }, job.title),
    ended
      ? h("span", { class: `lxi-badge lxi-is-${job.state}` }, ended)
      : bar(job.fraction, job.title),
    h("span", { class: "lxi-job-text", dir: "auto", title: job.text, role: ended ? "status" : undefined }, job.state === "waiting" ? "waiting for its turn" : job.text),
    job.files.map((file) => fetchLink(app, file)),
    !ended &&
      button(job.stopping ? "Stopping …" : "Cancel", () => !job.stopping && app.send("cancel", { job: job.job }), {
        "aria-label": `Cancel ${job.title}`, "aria-disabled": job.stopping ? "true" : undefined,
      }),
  );
}

// A link to a file that the page's Jupyter server serves as well; the server must confirm it with the same size.
function fetchLink(app, file) {
  const known = app.links.get(file.path);
  if (known === undefined) {
    app.links.set(file.path, null);
    servedAt(file).then((url) => {
      if (!url) return;
      app.links.set(file.path, url);
      app.later();
    });
  }
  const name = file.path.split("/").pop();
  return known && h("a", { key: file.path, class: "lxi-fetch", href: known, download: name, rel: "noopener", title: name }, "Fetch");
}

async function servedAt(file) {
  const base = jupyterServer();
  if (!base || !base.root || !file.path.startsWith(`${base.root}/`)) return null;
  const place = file.path.slice(base.root.length + 1).split("/").map(encodeURIComponent).join("/");
  try {
    const answer = await fetch(`${base.url}api/contents/${place}?content=0`, { headers: base.headers, credentials: "same-origin" });
    if (!answer.ok || (await answer.json()).size !== file.size) return null;
  } catch {
    return null;
  }
  const path = new URL(`${base.url}files/${place}`);
  return /^https?:$/.test(path.protocol) && path.host === location.host ? path.pathname : null;
}
