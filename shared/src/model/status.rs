//! Whether an object is ready, in kstatus order.
