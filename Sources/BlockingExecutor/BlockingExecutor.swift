/// One operating-system thread that runs jobs in order: blocking C calls (libgit2, waits for a file lock) belong here and never on
/// Swift's cooperative pool, which has as few threads as the machine has cores.
///
/// Usable as an actor's executor (`unownedExecutor`), as a task's preferred executor, or directly through ``run(_:)``.
package final class BlockingExecutor: SerialExecutor, TaskExecutor {
    private let jobs: JobQueue<Entry>

    /// What the thread is asked to do; the executor rides along so that it outlives its jobs.
    private enum Entry: Sendable {
        case job(UnownedJob, BlockingExecutor)
        case taskJob(UnownedJob, BlockingExecutor)
        case work(@Sendable () -> Void)
    }

    /// - Parameter name: shown by `ps -L` and debuggers; the kernel keeps 15 bytes of it.
    package init(name: String) {
        let jobs = JobQueue<Entry>()
        self.jobs = jobs
        Thread.start(name: name) {
            while let entry = jobs.next() {
                switch entry {
                case .job(let job, let executor): job.runSynchronously(on: executor.asUnownedSerialExecutor())
                case .taskJob(let job, let executor): job.runSynchronously(on: executor.asUnownedTaskExecutor())
                case .work(let body): body()
                }
            }
        }
    }

    deinit { jobs.finish() }

    package func enqueue(_ job: consuming ExecutorJob) { jobs.append(.job(UnownedJob(job), self)) }

    package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    package func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }

    /// Runs a blocking body on the thread, after what was enqueued before it, and waits for its result without holding a pool thread.
    package func run<T: Sendable, E: Error>(_ body: @escaping @Sendable () throws(E) -> T) async throws(E) -> T {
        let result: Result<T, E> = await withCheckedContinuation { continuation in
            jobs.append(
                .work {
                    do throws(E) {
                        continuation.resume(returning: .success(try body()))
                    } catch {
                        continuation.resume(returning: .failure(error))
                    }
                })
        }
        return try result.get()
    }
}
