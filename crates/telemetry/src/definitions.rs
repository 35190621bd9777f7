//! What the metrics of this room mean. They belong into the list of `weighbridge-types`, which is the one place of
//! names, formulas and units; until then this table has the same form.

use weighbridge_types::definition::{Definition, Direction};

const fn define(
    name: &'static str,
    title: &'static str,
    unit: &'static str,
    direction: Direction,
    formula: &'static str,
) -> Definition {
    Definition { name, version: 1, title, unit, direction, formula }
}

/// Requests that the server says it works on, over the scrapes in the window.
pub const SERVER_RUNNING: Definition = define(
    "server_running",
    "requests running in the server",
    "requests",
    Direction::Neutral,
    "requests that the server says it works on, over the scrapes in the window",
);
/// Requests that the server says wait for a place, over the scrapes in the window.
pub const SERVER_WAITING: Definition = define(
    "server_waiting",
    "requests waiting in the server",
    "requests",
    Direction::Lower,
    "requests that the server says wait for a place, over the scrapes in the window",
);
/// Share of the KV cache that the server says is in use, the fullest engine, over the scrapes in the window.
pub const SERVER_KV_USAGE: Definition = define(
    "server_kv_usage",
    "KV cache in use",
    "share",
    Direction::Neutral,
    "share of the KV cache that the server says is in use, the fullest engine, over the scrapes in the window",
);
/// Resident memory that the server's process tells, over the scrapes in the window.
pub const SERVER_MEMORY: Definition = define(
    "server_memory",
    "resident memory of the server",
    "bytes",
    Direction::Lower,
    "resident memory that the server's process tells, over the scrapes in the window",
);
/// Gain of the server's counter of prompt tokens over the window, between scrapes taken to rise evenly; bounds from the scrapes around each end.
pub const SERVER_PROMPT_TOKENS: Definition = define(
    "server_prompt_tokens",
    "prompt tokens by the server",
    "tokens",
    Direction::Neutral,
    "gain of the server's counter of prompt tokens over the window, between scrapes taken to rise evenly; bounds from the scrapes around each end",
);
/// Gain of the server's counter of generated tokens over the window; bounds from the scrapes around each end.
pub const SERVER_OUTPUT_TOKENS: Definition = define(
    "server_output_tokens",
    "output tokens by the server",
    "tokens",
    Direction::Neutral,
    "gain of the server's counter of generated tokens over the window; bounds from the scrapes around each end",
);
/// Gain of the server's counter of generated tokens over the window / window.
pub const SERVER_OUTPUT_RATE: Definition = define(
    "server_output_rate",
    "output tokens per second by the server",
    "tokens/s",
    Direction::Higher,
    "gain of the server's counter of generated tokens over the window / window",
);
/// Gain of the server's counter of requests that ended well over the window.
pub const SERVER_FINISHED: Definition = define(
    "server_finished",
    "requests finished by the server",
    "requests",
    Direction::Neutral,
    "gain of the server's counter of requests that ended well over the window",
);
/// Gain of the server's counter of requests pushed out of the running batch over the window.
pub const SERVER_PREEMPTIONS: Definition = define(
    "server_preemptions",
    "preemptions",
    "requests",
    Direction::Lower,
    "gain of the server's counter of requests pushed out of the running batch over the window",
);
/// Gain of prompt tokens found in the server's prefix cache / gain of prompt tokens looked up, over the window.
pub const SERVER_PREFIX_HITS: Definition = define(
    "server_prefix_hit_share",
    "prefix cache hits by the server",
    "share",
    Direction::Neutral,
    "gain of prompt tokens found in the server's prefix cache / gain of prompt tokens looked up, over the window",
);
/// Server's histogram of arrival to first token, difference over the window; quantiles by linear interpolation in a bucket, whose bounds are the interval.
pub const SERVER_TTFT: Definition = define(
    "server_ttft",
    "TTFT by the server",
    "ms",
    Direction::Lower,
    "server's histogram of arrival to first token, difference over the window; quantiles by linear interpolation in a bucket, whose bounds are the interval",
);
/// Server's histogram of gaps between tokens, difference over the window.
pub const SERVER_ITL: Definition = define(
    "server_itl",
    "inter-token latency by the server",
    "ms",
    Direction::Lower,
    "server's histogram of gaps between tokens, difference over the window",
);
/// Server's histogram of mean time per output token of a request, difference over the window.
pub const SERVER_TPOT: Definition = define(
    "server_tpot",
    "time per output token by the server",
    "ms",
    Direction::Lower,
    "server's histogram of mean time per output token of a request, difference over the window",
);
/// Server's histogram of arrival to end, difference over the window.
pub const SERVER_E2E: Definition = define(
    "server_e2e",
    "end-to-end latency by the server",
    "ms",
    Direction::Lower,
    "server's histogram of arrival to end, difference over the window",
);
/// Server's histogram of time spent waiting for a place, difference over the window.
pub const SERVER_QUEUE_TIME: Definition = define(
    "server_queue_time",
    "queue time by the server",
    "ms",
    Direction::Lower,
    "server's histogram of time spent waiting for a place, difference over the window",
);
/// Answers of the server's metrics endpoint that were read.
pub const SCRAPES: Definition = define(
    "scrapes",
    "scrapes answered",
    "scrapes",
    Direction::Neutral,
    "answers of the server's metrics endpoint that were read",
);
/// Scrapes that failed, were late and left out, or were lost to a full buffer.
pub const SCRAPES_MISSED: Definition = define(
    "scrapes_missed",
    "scrapes missed",
    "scrapes",
    Direction::Lower,
    "scrapes that failed, were late and left out, or were lost to a full buffer",
);
/// 100 × wall seconds spent reading the answers, the most that their CPU can be / wall seconds; fetching them is the client's own.
pub const SCRAPE_COST: Definition = define(
    "scrape_cost",
    "cost of scraping",
    "%",
    Direction::Lower,
    "100 × wall seconds spent reading the answers, the most that their CPU can be / wall seconds; fetching them is the client's own",
);
/// Share of the driver's last period in which a kernel ran, mean over devices, over the samples in the window.
pub const GPU_UTILIZATION: Definition = define(
    "gpu_utilization",
    "GPU utilization",
    "share",
    Direction::Neutral,
    "share of the driver's last period in which a kernel ran, mean over devices, over the samples in the window",
);
/// Device memory in use by all processes, sum over devices.
pub const GPU_MEMORY: Definition = define(
    "gpu_memory",
    "GPU memory in use",
    "bytes",
    Direction::Lower,
    "device memory in use by all processes, sum over devices",
);
/// Power draw, sum over devices.
pub const GPU_POWER: Definition =
    define("gpu_power", "GPU power", "W", Direction::Neutral, "power draw, sum over devices");
/// Temperature of the chip, hottest device.
pub const GPU_TEMPERATURE: Definition =
    define("gpu_temperature", "GPU temperature", "°C", Direction::Lower, "temperature of the chip, hottest device");
/// Clock of the multiprocessors, slowest device.
pub const GPU_CLOCK: Definition =
    define("gpu_clock", "GPU clock", "MHz", Direction::Neutral, "clock of the multiprocessors, slowest device");
/// 100 × samples in which power, heat or the supply held the clock of any device down / samples that tell.
pub const GPU_THROTTLED: Definition = define(
    "gpu_throttled",
    "GPU throttled",
    "%",
    Direction::Lower,
    "100 × samples in which power, heat or the supply held the clock of any device down / samples that tell",
);
/// Largest number of a driver error (XID) seen in the window; 0 without one.
pub const GPU_XID: Definition = define(
    "gpu_xid",
    "GPU error",
    "code",
    Direction::Lower,
    "largest number of a driver error (XID) seen in the window; 0 without one",
);
/// Gain of the energy counters over the window, else trapezoid integral of power; bounds from the samples around, widened by the sensor's 5 % (arXiv 2312.02741).
pub const ENERGY_GPU: Definition = define(
    "energy_gpu",
    "energy of the GPUs",
    "J",
    Direction::Lower,
    "gain of the energy counters over the window, else trapezoid integral of power; bounds from the samples around, widened by the sensor's 5 % (arXiv 2312.02741)",
);
/// Energy of the GPUs − mean idle power × window.
pub const ENERGY_GPU_NET: Definition = define(
    "energy_gpu_net",
    "energy of the GPUs above idle",
    "J",
    Direction::Lower,
    "energy of the GPUs − mean idle power × window",
);
/// Gain of the package and memory energy counters (RAPL) over the window, wraps taken out.
pub const ENERGY_HOST: Definition = define(
    "energy_host",
    "energy of the host's processors",
    "J",
    Direction::Lower,
    "gain of the package and memory energy counters (RAPL) over the window, wraps taken out",
);
/// Energy of the host's processors − mean idle power × window.
pub const ENERGY_HOST_NET: Definition = define(
    "energy_host_net",
    "energy of the host's processors above idle",
    "J",
    Direction::Lower,
    "energy of the host's processors − mean idle power × window",
);
/// Energy of the GPUs over the window / output tokens of the window.
pub const GPU_JOULES_PER_TOKEN: Definition = define(
    "joules_per_token_gpu",
    "GPU energy per output token",
    "J/token",
    Direction::Lower,
    "energy of the GPUs over the window / output tokens of the window",
);
/// Energy of the GPUs above idle / output tokens of the window.
pub const GPU_JOULES_PER_TOKEN_NET: Definition = define(
    "joules_per_token_gpu_net",
    "GPU energy per output token above idle",
    "J/token",
    Direction::Lower,
    "energy of the GPUs above idle / output tokens of the window",
);
/// Energy of the host's processors over the window / output tokens of the window.
pub const HOST_JOULES_PER_TOKEN: Definition = define(
    "joules_per_token_host",
    "host energy per output token",
    "J/token",
    Direction::Lower,
    "energy of the host's processors over the window / output tokens of the window",
);
/// Energy of the host's processors above idle / output tokens of the window.
pub const HOST_JOULES_PER_TOKEN_NET: Definition = define(
    "joules_per_token_host_net",
    "host energy per output token above idle",
    "J/token",
    Direction::Lower,
    "energy of the host's processors above idle / output tokens of the window",
);
/// Price per hour × window hours / output tokens × 1e6.
pub const COST_OUTPUT: Definition = define(
    "cost_per_million_output",
    "cost per million output tokens",
    "$/Mtok",
    Direction::Lower,
    "price per hour × window hours / output tokens × 1e6",
);
/// Price per hour × window hours / prompt tokens × 1e6.
pub const COST_INPUT: Definition = define(
    "cost_per_million_input",
    "cost per million prompt tokens",
    "$/Mtok",
    Direction::Lower,
    "price per hour × window hours / prompt tokens × 1e6",
);
/// Price per hour × window hours / (prompt + output tokens) × 1e6.
pub const COST_TOTAL: Definition = define(
    "cost_per_million_total",
    "cost per million tokens",
    "$/Mtok",
    Direction::Lower,
    "price per hour × window hours / (prompt + output tokens) × 1e6",
);
/// Time from waking a task of a reactor from another thread until it runs, over the pings in the window.
pub const REACTOR_LAG: Definition = define(
    "reactor_lag",
    "reactor lag",
    "ms",
    Direction::Lower,
    "time from waking a task of a reactor from another thread until it runs, over the pings in the window",
);
/// CPU seconds of the busiest reactor thread / wall seconds, per second of the window.
pub const REACTOR_BUSY: Definition = define(
    "reactor_busy",
    "reactor busy",
    "share",
    Direction::Lower,
    "CPU seconds of the busiest reactor thread / wall seconds, per second of the window",
);
/// Time that the reactor thread which waited most was ready and not run / wall seconds, per second of the window.
pub const RUN_QUEUE_WAIT: Definition = define(
    "run_queue_wait",
    "reactor waiting for a core",
    "share",
    Direction::Lower,
    "time that the reactor thread which waited most was ready and not run / wall seconds, per second of the window",
);
/// CPU seconds of the process / wall seconds, per second of the window.
pub const CLIENT_CPU: Definition = define(
    "client_process_cpu",
    "CPU of the client",
    "cores",
    Direction::Lower,
    "CPU seconds of the process / wall seconds, per second of the window",
);
/// 100 × stolen ticks / all ticks of the host, per second of the window.
pub const CLIENT_STEAL: Definition = define(
    "client_steal",
    "CPU stolen from the client's host",
    "%",
    Direction::Lower,
    "100 × stolen ticks / all ticks of the host, per second of the window",
);
/// Tasks running or ready, as the kernel counts at each sample.
pub const CLIENT_LOAD: Definition = define(
    "client_load",
    "load of the client's host",
    "tasks",
    Direction::Lower,
    "tasks running or ready, as the kernel counts at each sample",
);
/// Times that reactor threads were taken off a core while ready / wall seconds.
pub const INVOLUNTARY_SWITCHES: Definition = define(
    "involuntary_switches",
    "involuntary context switches",
    "switches/s",
    Direction::Lower,
    "times that reactor threads were taken off a core while ready / wall seconds",
);
/// Page faults of the process that needed IO, in the window.
pub const CLIENT_MAJOR_FAULTS: Definition = define(
    "client_major_faults",
    "page faults with IO",
    "faults",
    Direction::Lower,
    "page faults of the process that needed IO, in the window",
);
/// Open file descriptors / the process's limit, most in the window.
pub const CLIENT_OPEN_FILES: Definition = define(
    "client_open_files",
    "open files of the client",
    "share",
    Direction::Lower,
    "open file descriptors / the process's limit, most in the window",
);
/// Largest change of wall time − monotonic time between samples a second apart; stamps of requests are monotonic.
pub const CLOCK_STEP: Definition = define(
    "clock_step",
    "step of the wall clock",
    "ms",
    Direction::Lower,
    "largest change of wall time − monotonic time between samples a second apart; stamps of requests are monotonic",
);
/// 100 × TCP segments retransmitted / sent, network namespace of the client, in the window.
pub const RETRANSMITS: Definition = define(
    "retransmits",
    "TCP segments sent again",
    "%",
    Direction::Lower,
    "100 × TCP segments retransmitted / sent, network namespace of the client, in the window",
);
/// TCP segments received in error, failed connection attempts and overflown listen queues, in the window.
pub const NETWORK_ERRORS: Definition = define(
    "network_errors",
    "TCP errors",
    "segments",
    Direction::Lower,
    "TCP segments received in error, failed connection attempts and overflown listen queues, in the window",
);
/// 100 × CPU seconds of the monitor's thread / wall seconds.
pub const HEALTH_COST: Definition = define(
    "health_cost",
    "cost of the health monitor",
    "%",
    Direction::Lower,
    "100 × CPU seconds of the monitor's thread / wall seconds",
);
/// Sum of resident set sizes over the process and its descendants.
pub const TREE_RSS: Definition = define(
    "tree_rss",
    "resident memory of the watched process",
    "bytes",
    Direction::Lower,
    "sum of resident set sizes over the process and its descendants",
);
/// Sum of proportional set sizes over the process and its descendants.
pub const TREE_PSS: Definition = define(
    "tree_pss",
    "proportional memory of the watched process",
    "bytes",
    Direction::Lower,
    "sum of proportional set sizes over the process and its descendants",
);
/// Memory charged to the control group.
pub const TREE_CGROUP: Definition = define(
    "tree_cgroup",
    "memory of the watched control group",
    "bytes",
    Direction::Lower,
    "memory charged to the control group",
);
/// Threads of the process and its descendants.
pub const TREE_THREADS: Definition = define(
    "tree_threads",
    "threads of the watched process",
    "threads",
    Direction::Lower,
    "threads of the process and its descendants",
);
/// Open file descriptors of the process and its descendants.
pub const TREE_OPEN_FILES: Definition = define(
    "tree_open_files",
    "open files of the watched process",
    "files",
    Direction::Lower,
    "open file descriptors of the process and its descendants",
);
/// CPU seconds of the process and its descendants / wall seconds.
pub const TREE_CPU: Definition = define(
    "tree_cpu",
    "CPU of the watched process",
    "cores",
    Direction::Lower,
    "CPU seconds of the process and its descendants / wall seconds",
);
/// Cached prompt tokens / prompt tokens over requests whose usage tells both.
pub const CACHE_HITS: Definition = define(
    "cache_hit_share",
    "cache hits by usage",
    "share",
    Direction::Neutral,
    "cached prompt tokens / prompt tokens over requests whose usage tells both",
);

/// Every metric of this room.
pub const ALL: &[Definition] = &[
    SERVER_RUNNING,
    SERVER_WAITING,
    SERVER_KV_USAGE,
    SERVER_MEMORY,
    SERVER_PROMPT_TOKENS,
    SERVER_OUTPUT_TOKENS,
    SERVER_OUTPUT_RATE,
    SERVER_FINISHED,
    SERVER_PREEMPTIONS,
    SERVER_PREFIX_HITS,
    SERVER_TTFT,
    SERVER_ITL,
    SERVER_TPOT,
    SERVER_E2E,
    SERVER_QUEUE_TIME,
    SCRAPES,
    SCRAPES_MISSED,
    SCRAPE_COST,
    GPU_UTILIZATION,
    GPU_MEMORY,
    GPU_POWER,
    GPU_TEMPERATURE,
    GPU_CLOCK,
    GPU_THROTTLED,
    GPU_XID,
    ENERGY_GPU,
    ENERGY_GPU_NET,
    ENERGY_HOST,
    ENERGY_HOST_NET,
    GPU_JOULES_PER_TOKEN,
    GPU_JOULES_PER_TOKEN_NET,
    HOST_JOULES_PER_TOKEN,
    HOST_JOULES_PER_TOKEN_NET,
    COST_OUTPUT,
    COST_INPUT,
    COST_TOTAL,
    REACTOR_LAG,
    REACTOR_BUSY,
    RUN_QUEUE_WAIT,
    CLIENT_CPU,
    CLIENT_STEAL,
    CLIENT_LOAD,
    INVOLUNTARY_SWITCHES,
    CLIENT_MAJOR_FAULTS,
    CLIENT_OPEN_FILES,
    CLOCK_STEP,
    RETRANSMITS,
    NETWORK_ERRORS,
    HEALTH_COST,
    TREE_RSS,
    TREE_PSS,
    TREE_CGROUP,
    TREE_THREADS,
    TREE_OPEN_FILES,
    TREE_CPU,
    CACHE_HITS,
];

#[cfg(test)]
mod tests {
    use weighbridge_types::definition::find;

    use super::*;

    #[test]
    fn a_name_has_one_meaning_here_and_in_the_common_list() {
        for (index, definition) in ALL.iter().enumerate() {
            assert_eq!(ALL.iter().position(|other| other.name == definition.name), Some(index), "{}", definition.name);
            assert!(find(definition.name).is_none_or(|common| common == definition), "{}", definition.name);
        }
    }
}
