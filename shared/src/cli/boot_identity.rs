//! The identity of this boot of the workstation: a lock file of an earlier boot means nothing.
//!
//! The only file that reads `/proc`. Input: the kernel. Output: a text that differs between two boots, where the system has one.

/// The kernel's id of this boot; empty if it cannot be read.
#[cfg(target_os = "linux")]
pub(super) fn read_boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Other systems have no such file, so two boots look the same. The kernel still releases the file lock of a process that ends.
#[cfg(not(target_os = "linux"))]
pub(super) fn read_boot_id() -> String {
    String::new()
}
