//! Programs with threads. Whatever order their threads run in, each writes the same bytes.

use std::path::PathBuf;

use ckpt_tests::{JVM, build, installed, java};

use super::{PLAIN, Real, text};

/// All of them.
pub(super) fn threaded() -> Vec<Real> {
    let mut all = tools();
    all.extend(built());
    all.extend(runtimes());
    all
}

fn tools() -> Vec<Real> {
    vec![
        Real {
            name: "xz_with_threads",
            file_name: "xz",
            program: |_| installed("/usr/bin/xz"),
            size: 3,
            prepare: text,
            args: &["-T4", "-6", "--block-size=512KiB", "-c", "text"],
            ..PLAIN
        },
        Real {
            name: "zstd_with_threads",
            file_name: "zstd",
            program: |_| installed("/usr/bin/zstd"),
            size: 70,
            prepare: text,
            args: &["-T4", "-7", "-B1MiB", "-c", "text"],
            ..PLAIN
        },
        Real {
            name: "pigz",
            file_name: "pigz",
            program: |_| installed("/usr/bin/pigz"),
            size: 12,
            prepare: text,
            args: &["-p4", "-9", "-n", "-k", "text"],
            files: &["text.gz"],
            ..PLAIN
        },
        Real {
            name: "x264",
            file_name: "x264",
            program: |_| installed("/usr/bin/x264"),
            size: 60,
            prepare: |scratch, size| {
                scratch.write("film.y4m", film(usize::try_from(size)?))?;
                Ok(())
            },
            args: &[
                "--quiet",
                "--threads=4",
                "--preset=slower",
                "-o",
                "film.264",
                "film.y4m",
            ],
            files: &["film.264"],
            tells_times: true,
            ..PLAIN
        },
    ]
}

fn built() -> Vec<Real> {
    vec![
        Real {
            name: "openmp",
            file_name: "waves",
            program: |scratch| build(scratch, &["cc", "-O2", "-fopenmp"], "real/programs/waves.c"),
            size: 15_000,
            args: &["SIZE"],
            ..PLAIN
        },
        Real {
            name: "cxx_threads",
            file_name: "pool",
            program: |scratch| {
                build(
                    scratch,
                    &["c++", "-O1", "-pthread"],
                    "real/programs/pool.cc",
                )
            },
            size: 40_000,
            args: &["SIZE"],
            ..PLAIN
        },
        Real {
            name: "rust_with_rayon",
            file_name: "sums",
            program: |_| Ok(PathBuf::from(env!("CARGO_BIN_EXE_rayon-sums"))),
            size: 100,
            args: &["SIZE"],
            ..PLAIN
        },
    ]
}

fn runtimes() -> Vec<Real> {
    vec![
        Real {
            name: "python3_with_threads",
            file_name: "python3",
            program: |_| installed("/usr/bin/python3"),
            size: 600,
            script: include_str!("programs/threads.py"),
            args: &["-B", "script", "SIZE"],
            ..PLAIN
        },
        Real {
            name: "numpy",
            file_name: "python3",
            program: |_| installed("/usr/bin/python3"),
            size: 60,
            script: include_str!("programs/matrices.py"),
            args: &["-B", "script"],
            ..PLAIN
        },
        Real {
            name: "node_with_workers",
            file_name: "node",
            program: |_| installed("/usr/bin/node"),
            size: 2_000,
            script: include_str!("programs/workers.js"),
            args: &["script", "SIZE"],
            ..PLAIN
        },
        // Small regions and a small heap, so that garbage is collected all the time.
        Real {
            name: "jvm",
            file_name: "bin/java",
            program: |_| installed(&format!("{JVM}/bin/java")),
            size: 2_000,
            prepare: |scratch, _| java(scratch, "real/programs/Work.java"),
            args: &[
                "-XX:+UseG1GC",
                "-Xmx48m",
                "-XX:-UsePerfData",
                "-cp",
                ".",
                "Work",
                "SIZE",
            ],
            own_usr2: true,
            ..PLAIN
        },
    ]
}

/// Frames of a film in YUV4MPEG2: a pattern that moves, in front of one that stands.
fn film(frames: usize) -> Vec<u8> {
    const WIDTH: usize = 320;
    const HEIGHT: usize = 240;
    let back = ckpt_tests::random_bytes(WIDTH * HEIGHT, 5);
    let mut film = format!("YUV4MPEG2 W{WIDTH} H{HEIGHT} F25:1 C420jpeg\n").into_bytes();
    for frame in 0..frames {
        film.extend_from_slice(b"FRAME\n");
        for (at, still) in back.iter().enumerate() {
            let (x, y) = (at % WIDTH + 3 * frame, at / WIDTH + frame);
            let moving = u8::try_from((x * x / 64 + y * y / 64) & 127).unwrap_or(0);
            film.push((still >> 2) + moving);
        }
        film.resize(film.len() + WIDTH * HEIGHT / 2, 128);
    }
    film
}
