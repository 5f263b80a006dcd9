//! The policies as they are shipped: who may do what, readable by an auditor, proved in the tests.

/// The policies.
pub const POLICIES: &str = include_str!("policies.cedar");

/// What they speak of.
pub const SCHEMA: &str = include_str!("schema.cedarschema");

#[cfg(test)]
mod tests {
    use cedar_policy::{PolicySet, Schema, ValidationMode, Validator};

    #[test]
    fn shipped_policies_valid() {
        let schema = super::SCHEMA.parse::<Schema>().unwrap_or_else(|e| panic!("{:?}", miette(&e)));
        let set = super::POLICIES.parse::<PolicySet>().unwrap();
        let result = Validator::new(schema).validate(&set, ValidationMode::Strict);
        assert!(result.validation_passed(), "{result}");
        assert_eq!(result.validation_warnings().count(), 0, "{result}");
    }
    fn miette(e: &dyn std::error::Error) -> String {
        e.to_string()
    }
}
