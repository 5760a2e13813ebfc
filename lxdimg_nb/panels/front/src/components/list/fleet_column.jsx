// The column that says, in a list of many servers, on which one an image is. It cannot be chosen or left out.

import { h } from "preact";

export const FLEET_COLUMN = "server";

/** @param {{ server: string }} props */
export function FleetCell({ server }) {
  return (
    <td class="lxi-c-text lxi-n-server" title={server}>
      <bdi>{server}</bdi>
    </td>
  );
}
