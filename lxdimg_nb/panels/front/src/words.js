// What a panel says when its kernel says nothing.

export const WAITING = "Waiting for the kernel …";
export const NO_KERNEL = "This panel has lost its kernel: it was restarted or shut down. Run the cell again to go on.";
export const NO_ANSWER =
  "The kernel does not answer: it is busy with a cell, or this panel belongs to a kernel that is gone. Then run the cell again.";
export const BUSY =
  "The kernel has not answered for some seconds: it is busy with a cell, or gone. What was clicked is done as soon as it answers.";
