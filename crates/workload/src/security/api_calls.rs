//! Sequences of system calls as a sandbox reports them.

use super::values::{public_ip, user};
use crate::source::Source;
use crate::task::{Draft, rank};

pub(crate) const LABELS: &[&str] = &["benign", "ransomware", "injection", "stealer", "persistence"];

/// Calls that every program makes; they dilute the telling ones.
const COMMON: &[&str] = &[
    "GetTickCount()",
    "Sleep(50)",
    "GetModuleHandle(kernel32)",
    "LoadLibrary(user32)",
    "HeapAlloc(4096)",
    "GetSystemTime()",
    "CloseHandle(7)",
    "QueryPerformanceCounter()",
    "GetVersion()",
    "FlushFileBuffers(3)",
    "SetLastError(0)",
    "GetCurrentProcessId()",
];

pub(crate) fn draft(source: &mut Source, index: u64) -> Draft {
    let answer = rank(index, LABELS.len());
    let (calls, reason) = match LABELS[answer] {
        "ransomware" => ransomware(source),
        "injection" => injection(source),
        "stealer" => stealer(source),
        "persistence" => persistence(source),
        _ => benign(source),
    };
    Draft::labeled(LABELS, answer, (dilute(source, calls), reason))
}

/// Puts common calls between the telling ones and keeps the order.
fn dilute(source: &mut Source, calls: Vec<String>) -> String {
    let percent = if source.obfuscates() { 75 } else { 25 };
    let mut all = Vec::with_capacity(calls.len() * 2);
    for call in calls {
        if source.chance(percent) {
            all.push(source.own(COMMON).to_owned());
        }
        all.push(call);
    }
    all.join("; ")
}

fn document(source: &mut Source) -> String {
    let folder = source.own(&["Documents", "Desktop", "Pictures", "Music", "Work", "Taxes", "Photos", "Projects"]);
    let extension = source.any(&["docx", "xlsx", "jpg", "pdf", "txt"]);
    format!("{folder}/{}.{extension}", source.letters(4))
}

fn benign(source: &mut Source) -> (Vec<String>, String) {
    let file = document(source);
    match source.below(4) {
        0 => (
            vec![format!("CreateFile({file})"), "ReadFile(3)".into(), "DrawText(1)".into(), "CloseHandle(3)".into()],
            "it opens and shows one file".into(),
        ),
        1 => (
            vec![
                "socket(tcp)".into(),
                format!("connect({}:443)", public_ip(source)),
                "recv(1460)".into(),
                format!("WriteFile({file})"),
            ],
            "it fetches and saves one file".into(),
        ),
        2 => (
            vec![
                format!(
                    "RegOpenKey(HKCU/Software/{})",
                    source.own(&["App", "Editor", "Player", "Viewer", "Mail", "Chat", "Paint", "Notes"])
                ),
                "RegQueryValue(Theme)".into(),
                "CreateWindow(main)".into(),
                "DispatchMessage(1)".into(),
            ],
            "it reads its settings and opens a window".into(),
        ),
        _ => (
            vec![
                format!("FindFirstFile({}/*)", source.own(&["Documents", "Desktop", "Downloads", "Music"])),
                "FindNextFile(4)".into(),
                "GetFileSize(4)".into(),
                "CreateWindow(list)".into(),
            ],
            "it lists a folder".into(),
        ),
    }
}

fn ransomware(source: &mut Source) -> (Vec<String>, String) {
    let (first, second) = (document(source), document(source));
    let ending = source.own(&["locked", "crypt", "enc", "pay", "zzz", "wcry", "lockd", "cry"]);
    let mut calls = vec!["FindFirstFile(C:/Users/*)".to_owned()];
    if source.chance(50) {
        calls.push("CreateProcess(vssadmin delete shadows)".into());
    }
    for file in [&first, &second] {
        calls.push(format!("ReadFile({file})"));
        calls.push("CryptEncrypt(aes)".into());
        calls.push(format!("MoveFile({file}.{ending})"));
    }
    if source.chance(60) {
        calls.push(format!("WriteFile({}.txt)", source.any(&["README", "RESTORE", "HOW_TO_PAY"])));
    }
    (calls, format!("files are encrypted and renamed to .{ending}"))
}

fn injection(source: &mut Source) -> (Vec<String>, String) {
    let target = source.own(&[
        "explorer.exe",
        "svchost.exe",
        "notepad.exe",
        "winlogon.exe",
        "spoolsv.exe",
        "chrome.exe",
        "lsm.exe",
        "taskhost.exe",
    ]);
    let mut calls = vec![
        format!("OpenProcess({target})"),
        format!("VirtualAllocEx(rwx {})", source.between(1, 64) * 4096),
        format!("WriteProcessMemory({target})"),
    ];
    calls.push(
        source
            .any(&["CreateRemoteThread(1)", "QueueUserAPC(1)", "SetThreadContext(1)", "NtCreateThreadEx(1)"])
            .to_owned(),
    );
    if source.chance(40) {
        calls.push("ResumeThread(1)".into());
    }
    (calls, format!("code is written into {target}"))
}

fn stealer(source: &mut Source) -> (Vec<String>, String) {
    let store = source.own(&[
        "Login Data",
        "cookies.sqlite",
        "key4.db",
        "wallet.dat",
        "logins.json",
        "id_rsa",
        "Web Data",
        "vault.kdbx",
    ]);
    let mut calls = vec![format!("CreateFile({}/{store})", user(source))];
    calls.push(source.any(&["CryptUnprotectData(1)", "ReadFile(9)", "sqlite3_step(2)"]).to_owned());
    if source.chance(40) {
        calls.push(source.any(&["GetClipboardData(1)", "BitBlt(screen)", "GetAsyncKeyState(8)"]).to_owned());
    }
    calls.push(format!("connect({}:{})", public_ip(source), source.any(&["443", "8080", "21", "4443"])));
    calls.push(format!("send({} bytes)", source.between(400, 9000)));
    (calls, format!("{store} is read and sent away"))
}

fn persistence(source: &mut Source) -> (Vec<String>, String) {
    let program = format!("{}.exe", source.letters(6));
    let mut calls = vec![format!("CopyFile(AppData/{program})")];
    let how = match source.below(4) {
        0 => {
            calls.push("RegCreateKey(CurrentVersion/Run)".into());
            calls.push(format!("RegSetValue({program})"));
            "a Run key"
        }
        1 => {
            calls.push(format!("CreateProcess(schtasks /create {program})"));
            "a planned task"
        }
        2 => {
            calls.push("OpenSCManager(local)".into());
            calls.push(format!("CreateService({program} auto)"));
            "a service"
        }
        _ => {
            calls.push(format!("CreateFile(Startup/{program}.lnk)"));
            "a start-up link"
        }
    };
    if source.chance(50) {
        calls.push("SetFileAttributes(hidden)".into());
    }
    (calls, format!("it starts itself by {how}"))
}
