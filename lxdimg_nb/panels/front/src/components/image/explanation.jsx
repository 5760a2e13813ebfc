// Who uses an image, and what deleting it would do. The server is asked only when this is opened.

import { Fragment, h } from "preact";
import { Button } from "../controls/button.jsx";
import { Facts } from "../controls/facts.jsx";
import { Message } from "../controls/message.jsx";

/** @import { ImageProps } from "./image_detail.jsx" */

/** @param {ImageProps} props */
export function Explanation({ app, image: { key } }) {
  const { explained } = app.parts;
  const found = explained?.key === key ? explained : undefined;
  const ask = () => app.send("explain", { key });
  const again = (
    <Button kind="link" onClick={ask}>
      Ask again
    </Button>
  );
  return (
    <details class="lxi-explain" onToggle={(event) => event.currentTarget.open && !found?.state && ask()}>
      <summary>Who uses it, and what deleting it would do</summary>
      {found?.state === "ready" ? (
        <>
          <Facts facts={found.answers ?? []} />
          <p class="lxi-hint" role="status">
            {found.text} {again}
          </p>
        </>
      ) : found?.state === "failed" ? (
        <>
          <Message text={found.text} />
          {again}
        </>
      ) : (
        <p class="lxi-hint" role="status">
          Asking the server …
        </p>
      )}
    </details>
  );
}
