//! `keyturner token`.

use super::DataArgs;
use crate::secrets::Secrets;

pub(super) fn run(args: &DataArgs) -> anyhow::Result<()> {
    let secrets = Secrets::load_or_create(&args.data)?;
    println!("{}", secrets.bridge.token.expose());
    Ok(())
}
