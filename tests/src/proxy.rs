//! A proxy before the API server that injects faults.
