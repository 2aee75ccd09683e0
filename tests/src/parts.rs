//! Every real program of the sandbox, with its version and where it is found or built.
