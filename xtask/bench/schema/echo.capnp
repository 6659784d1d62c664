# What the row of capnp-rpc is made from: `capnp compile -orust echo.capnp` writes `echo_capnp.rs`.
@0xd3a1f5c94b7e2a61;

interface Echo {
  echo @0 (payload :Data) -> (payload :Data);
}
