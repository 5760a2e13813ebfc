// What runs in the kernel and what ran: bar, rate, Cancel.

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
    !ended &&
      button(job.stopping ? "Stopping …" : "Cancel", () => !job.stopping && app.send("cancel", { job: job.job }), {
        "aria-label": `Cancel ${job.title}`, "aria-disabled": job.stopping ? "true" : undefined,
      }),
  );
}
