// What a chip had to look up: its state, and a question before the kernel reads catalogues that no remote names.

import { h } from "preact";
import { Button } from "../controls/button.jsx";
import { Confirmation } from "../controls/confirmation.jsx";
import { Spinner } from "../controls/message.jsx";

/** @import { App } from "../../app.jsx" */
/** @import * as messages from "../../message_types" */

/** @param {{ app: App, lookup: messages.Lookup, chosen: string[] }} props */
export function ChipLookup({ app, lookup, chosen }) {
  if (lookup.state === "consent") {
    return (
      <Confirmation
        title="Read these catalogues?"
        text={lookup.text}
        yes="Read them"
        onYes={() => app.send("agree", {})}
        onNo={() => app.send("chips", { chips: chosen.filter((name) => name !== lookup.name) })}
      />
    );
  }
  return (
    <div
      class={lookup.state === "failed" ? "lxi-asked lxi-hint lxi-problem" : "lxi-asked lxi-hint"}
      role="status"
      dir="auto"
    >
      {lookup.state === "reading" && <Spinner />}
      {lookup.text}{" "}
      {lookup.state !== "reading" && (
        <Button kind="link" onClick={() => app.send("lookup", { chip: lookup.name })}>
          Ask again
        </Button>
      )}
    </div>
  );
}
