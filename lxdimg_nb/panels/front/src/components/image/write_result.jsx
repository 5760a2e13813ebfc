// How the last write ended, and what the user can do about it: undo it, or choose between two values.

import { Fragment, h } from "preact";
import { Button } from "../controls/button.jsx";
import { Confirmation } from "../controls/confirmation.jsx";
import { Facts } from "../controls/facts.jsx";
import { Message } from "../controls/message.jsx";

/** @import * as messages from "../../message_types" */
/** @import { ImageProps } from "./image_detail.jsx" */

/** @param {ImageProps & { result: messages.Result }} props */
export function WriteResult({ app, image, result }) {
  const { key } = image;
  const dismiss = () => app.send("dismiss-result", { key });
  return (
    <Message text={result.text} good={result.good} onDismiss={dismiss}>
      {result.conflict ? (
        <>
          <Facts
            facts={[
              { name: "On the server", value: result.conflict.theirs },
              { name: "Yours", value: result.conflict.ours },
            ]}
          />
          <div class="lxi-row lxi-choice">
            <Button onClick={dismiss}>Keep the server's</Button>
            <Button kind="danger" onClick={() => app.send("overwrite", { key })}>
              Write mine over it
            </Button>
          </div>
        </>
      ) : result.movable_alias ? (
        <div class="lxi-row lxi-choice">
          <Button kind="primary" onClick={() => app.send("move-alias", { key })}>
            Move it here
          </Button>
          <Button onClick={dismiss}>Leave it</Button>
        </div>
      ) : (
        result.undo && <Undo app={app} image={image} result={result} />
      )}
    </Message>
  );
}

/** @param {ImageProps & { result: messages.Result }} props */
function Undo({ app, image, result }) {
  const { key } = image;
  /** @param {"" | "undo"} asking */
  const ask = (asking) => app.store.setImage(key, { asking });
  const undo = () => {
    ask("");
    app.send("undo", { key, confirmed: true });
  };
  return (
    <>
      <div class="lxi-row lxi-choice">
        <Button kind="link" onClick={() => (result.undo_makes_public ? ask("undo") : undo())}>
          Undo
        </Button>
      </div>
      {result.undo_makes_public && app.store.image(key).asking === "undo" && (
        <Confirmation
          title="Make this image public again?"
          text={image.public.danger}
          yes="Make public"
          danger
          onYes={undo}
          onNo={() => ask("")}
        />
      )}
    </>
  );
}
