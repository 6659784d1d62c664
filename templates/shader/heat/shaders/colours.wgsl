// Bids are green, asks are red; the more is offered, the brighter.
fn colour(heat: f32) -> vec4<f32> {
    let bid = vec3(0.1, 0.9, 0.5);
    let ask = vec3(1.0, 0.3, 0.2);
    let strength = sqrt(abs(heat));
    return vec4(select(ask, bid, heat > 0.0) * strength, 1.0);
}
