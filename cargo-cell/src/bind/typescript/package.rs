//! What makes the folder a package: written on demand, never overwritten.

use super::super::{File, Place};

/// `package.json` and `tsconfig.json`.
pub(super) fn files(place: &Place) -> Vec<File> {
    let name: String = place
        .name
        .to_lowercase()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') {
                c
            } else {
                '-'
            }
        })
        .collect();
    let name = match name.trim_matches(['-', '_']) {
        "" => "cells",
        name => name,
    };
    let package = serde_json::json!({
        "name": name,
        "version": "0.0.0",
        "private": true,
        "type": "module",
        "exports": { "./*": "./*/index.ts" },
        "engines": { "node": ">=20" },
        "devDependencies": { "@types/node": ">=20", "typescript": ">=5.8" },
    });
    let tsconfig = serde_json::json!({
        "compilerOptions": {
            "target": "es2022",
            "lib": ["es2022"],
            "module": "nodenext",
            "types": ["node"],
            "strict": true,
            "noUncheckedIndexedAccess": true,
            "exactOptionalPropertyTypes": true,
            "verbatimModuleSyntax": true,
            "erasableSyntaxOnly": true,
            "declaration": true,
            "skipLibCheck": true,
            "outDir": "out",
        },
    });
    [("package.json", package), ("tsconfig.json", tsconfig)]
        .into_iter()
        .map(|(path, json)| File {
            path: path.to_owned(),
            // Only a map with keys that are no strings could fail, and there is none.
            text: serde_json::to_string_pretty(&json).unwrap_or_default() + "\n",
        })
        .collect()
}
