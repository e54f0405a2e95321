//! Descriptions for programs.

use super::Described;
use crate::error::{Error, Result};

const HEADER: [&str; 7] = ["target_qname", "target_kind", "description", "confidence", "run_id", "who", "applied_at"];

pub(super) fn json(described: &[Described]) -> Result<String> {
    Ok(crate::printer::json(&described)? + "\n")
}

pub(super) fn csv(described: &[Described]) -> Result<String> {
    let failed = |error: &dyn std::fmt::Display| Error::internal(format!("a description has no CSV form: {error}"));
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(HEADER).map_err(|error| failed(&error))?;
    for row in described {
        let cells = [&row.target_qname, &row.target_kind, &row.description, &row.confidence, &row.run_id, &row.who];
        let cells = cells.into_iter().map(String::as_str).chain([row.applied_at.as_deref().unwrap_or_default()]);
        writer.write_record(cells.map(no_formula)).map_err(|error| failed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

/// A spreadsheet runs a cell that begins like a formula; not where an apostrophe is before it. The last four are their wide forms, which some take
/// for the same: <https://owasp.org/www-community/attacks/CSV_Injection>.
fn no_formula(cell: &str) -> String {
    match cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        true => format!("'{cell}"),
        false => cell.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠SUM(A1)"] {
            assert_eq!(no_formula(cell), format!("'{cell}"));
        }
        assert_eq!(no_formula("1 - 1 = 0"), "1 - 1 = 0");
    }
}
