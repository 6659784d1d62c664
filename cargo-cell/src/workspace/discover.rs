//! Which packages are cells.

use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, Package, TargetKind};
use serde_json::Value;

use super::config::{self, Config};
use super::{Cell, Member, Workspace};
use crate::error::{Error, Result};

/// The package that makes a package a cell.
const RUNTIME: &str = "cell-runtime";

/// Finds the cells. `cell_toml` gives the text of the `Cell.toml` in a folder, if there is one.
pub fn discover(
    metadata: &Metadata,
    cell_toml: &dyn Fn(&Path) -> Result<Option<String>>,
) -> Result<Workspace> {
    let mut members = Vec::new();
    let mut cells = Vec::new();
    for package in metadata.workspace_packages() {
        let dir = folder(package);
        let settings = settings(package, &dir, cell_toml)?;
        let bindings = match &settings {
            Some((value, place)) => config::bindings(value, place)?,
            None => Vec::new(),
        };
        members.push(Member {
            name: package.name.to_string(),
            id: package.id.repr.clone(),
            dir: dir.clone(),
            has_build_script: package
                .targets
                .iter()
                .any(|target| target.kind.contains(&TargetKind::CustomBuild)),
            path_dependencies: package
                .dependencies
                .iter()
                .filter_map(|dependency| dependency.path.as_ref())
                .map(|path| path.as_std_path().to_owned())
                .collect(),
            bindings,
        });
        if let Some(cell) = cell(package, dir, settings)? {
            cells.push(cell);
        }
    }
    members.sort_by(|a, b| a.name.cmp(&b.name));
    cells.sort_by(|a, b| a.package.cmp(&b.package));
    Ok(Workspace {
        root: metadata.workspace_root.as_std_path().to_owned(),
        target_dir: metadata.target_directory.as_std_path().to_owned(),
        members,
        cells,
    })
}

fn cell(
    package: &Package,
    dir: PathBuf,
    settings: Option<(Value, String)>,
) -> Result<Option<Cell>> {
    let depends = package
        .dependencies
        .iter()
        .any(|dependency| dependency.name == RUNTIME && dependency.kind == DependencyKind::Normal);
    let bins: Vec<&str> = package
        .targets
        .iter()
        .filter(|target| target.kind.contains(&TargetKind::Bin))
        .map(|target| target.name.as_str())
        .collect();
    if !depends || bins.is_empty() || package.name.as_str() == "xtask" {
        return Ok(None);
    }
    let config = match settings {
        Some((value, place)) => config::parse(&value, &place)?,
        None => Some(Config::default()),
    };
    let Some(config) = config else {
        return Ok(None);
    };
    let bin = match (bins.as_slice(), package.default_run.as_deref()) {
        ([only], _) => (*only).to_owned(),
        (_, Some(default)) if bins.contains(&default) => default.to_owned(),
        _ => {
            return Err(Error::user(format!(
                "package `{}` has several binaries ({}) and none of them is its cell",
                package.name,
                bins.join(", ")
            ))
            .hint(format!("set `default-run` in {}", package.manifest_path))
            .hint("or write `cell = false` under [package.metadata] if it is none"));
        }
    };
    Ok(Some(Cell {
        package: package.name.to_string(),
        package_id: package.id.repr.clone(),
        dir,
        bin,
        config,
    }))
}

/// The settings of a package and where they stand.
fn settings(
    package: &Package,
    dir: &Path,
    cell_toml: &dyn Fn(&Path) -> Result<Option<String>>,
) -> Result<Option<(Value, String)>> {
    let metadata = package.metadata.get("cell");
    let file = cell_toml(dir)?;
    let file_name = dir.join("Cell.toml").display().to_string();
    match (metadata, file) {
        (Some(_), Some(_)) => Err(Error::user(format!(
            "cell `{}` is configured twice: in `{file_name}` and in [package.metadata.cell]",
            package.name
        ))
        .hint("keep one of them")),
        (Some(value), None) => Ok(Some((
            value.clone(),
            format!("{} [package.metadata.cell]", package.manifest_path),
        ))),
        (None, Some(text)) => Ok(Some((config::value(&text, &file_name)?, file_name))),
        (None, None) => Ok(None),
    }
}

fn folder(package: &Package) -> PathBuf {
    package
        .manifest_path
        .parent()
        .map_or_else(PathBuf::new, |dir| dir.as_std_path().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, dependency: Option<(&str, &str)>, bins: &[&str], extra: Value) -> Value {
        let dependencies: Vec<Value> = dependency
            .map(|(name, kind)| {
                json!({"name": name, "source": null, "req": "*", "kind": if kind == "normal" { Value::Null } else { json!(kind) },
                    "rename": "cell-sdk", "optional": false, "uses_default_features": true, "features": [], "target": null,
                    "registry": null})
            })
            .into_iter()
            .collect();
        let targets: Vec<Value> = bins
            .iter()
            .map(|bin| {
                json!({"name": bin, "kind": ["bin"], "crate_types": ["bin"], "src_path": "/w/src/main.rs", "edition": "2024",
                    "required-features": [], "doc": true, "doctest": false, "test": true})
            })
            .collect();
        let mut package = json!({
            "name": name, "version": "0.1.0", "id": format!("path+file:///w/{name}#0.1.0"), "license": null,
            "license_file": null, "description": null, "source": null, "dependencies": dependencies, "targets": targets,
            "features": {}, "manifest_path": format!("/w/{name}/Cargo.toml"), "metadata": null, "publish": null,
            "authors": [], "categories": [], "keywords": [], "readme": null, "repository": null, "homepage": null,
            "documentation": null, "edition": "2024", "links": null, "default_run": null, "rust_version": null,
        });
        if let (Value::Object(package), Value::Object(extra)) = (&mut package, extra) {
            package.extend(extra);
        }
        package
    }

    fn found(packages: Vec<Value>, files: &[(&str, &str)]) -> Result<Vec<String>> {
        let ids: Vec<Value> = packages
            .iter()
            .map(|package| package["id"].clone())
            .collect();
        let metadata = json!({
            "packages": packages, "workspace_members": ids, "workspace_default_members": ids, "resolve": null,
            "target_directory": "/w/target", "version": 1, "workspace_root": "/w", "metadata": null,
        });
        let metadata: Metadata =
            serde_json::from_value(metadata).expect("the test's metadata is well formed");
        let read = |dir: &Path| {
            Ok(files
                .iter()
                .find(|(folder, _)| Path::new("/w").join(folder) == dir)
                .map(|(_, text)| (*text).to_owned()))
        };
        Ok(discover(&metadata, &read)?
            .cells
            .into_iter()
            .map(|cell| format!("{}:{}", cell.package, cell.bin))
            .collect())
    }

    const RUNTIME_DEPENDENCY: Option<(&str, &str)> = Some((RUNTIME, "normal"));

    #[test]
    fn cells_are_binaries_that_depend_on_the_runtime_directly() {
        let none = || json!({});
        let cases = found(
            vec![
                package("button", RUNTIME_DEPENDENCY, &["button"], none()),
                package("library", RUNTIME_DEPENDENCY, &[], none()),
                package(
                    "tests-only",
                    Some((RUNTIME, "dev")),
                    &["tests-only"],
                    none(),
                ),
                package("other", Some(("cell-sdk", "normal")), &["other"], none()),
                package("xtask", RUNTIME_DEPENDENCY, &["xtask"], none()),
                package(
                    "out",
                    RUNTIME_DEPENDENCY,
                    &["out"],
                    json!({"metadata": {"cell": false}}),
                ),
                package("out-by-file", RUNTIME_DEPENDENCY, &["out"], none()),
                package(
                    "two",
                    RUNTIME_DEPENDENCY,
                    &["a", "b"],
                    json!({"default_run": "b"}),
                ),
            ],
            &[("out-by-file", "cell = false")],
        );
        assert_eq!(
            cases,
            Ok(vec!["button:button".to_owned(), "two:b".to_owned()])
        );
    }

    #[test]
    fn several_binaries_need_a_default() {
        let error = found(
            vec![package("two", RUNTIME_DEPENDENCY, &["a", "b"], json!({}))],
            &[],
        )
        .expect_err("it is unclear");
        assert!(error.message.contains("several binaries (a, b)"), "{error}");
    }

    #[test]
    fn one_place_configures() {
        let twice = package(
            "one",
            RUNTIME_DEPENDENCY,
            &["one"],
            json!({"metadata": {"cell": {"overlap": false}}}),
        );
        let error =
            found(vec![twice], &[("one", "overlap = false")]).expect_err("it is configured twice");
        assert!(error.message.contains("configured twice"), "{error}");
    }
}
