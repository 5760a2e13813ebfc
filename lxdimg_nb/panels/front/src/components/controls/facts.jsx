// Names and values.

import { Fragment, h } from "preact";

/** @import { Fact } from "../../message_types" */

/** @param {{ facts: Fact[] }} props */
export function Facts({ facts }) {
  return (
    <dl class="lxi-facts">
      {facts.map(({ name, value, hint }) => (
        <Fragment key={name}>
          <dt>{name}</dt>
          <dd title={hint || undefined} dir="auto">
            {value}
          </dd>
        </Fragment>
      ))}
    </dl>
  );
}
