// How far something is.

import { h } from "preact";

/** @param {{ fraction: number | null | undefined, label: string }} props nobody knows how far it is without a fraction */
export function ProgressBar({ fraction, label }) {
  const percent = fraction == null ? undefined : Math.round(fraction * 100);
  return (
    <div
      class={percent === undefined ? "lxi-bar lxi-unknown" : "lxi-bar"}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
    >
      <div style={{ width: `${percent ?? 100}%` }} />
    </div>
  );
}
