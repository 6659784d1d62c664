#import "colours.wgsl"

// A column is a moment, a row a price; the highest price is at the top.
struct Picture {
    columns: u32,
    rows: u32,
    // Pixels of a cell of the picture, in both directions.
    scale: u32,
    // What full brightness means.
    peak: f32,
}

@group(0) @binding(0) var<uniform> picture: Picture;
// What is bid (above zero) or asked (below), column by column.
@group(0) @binding(1) var<storage, read> depth: array<f32>;
@group(0) @binding(2) var<storage, read_write> pixels: array<u32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) at: vec3<u32>) {
    let size = vec2(picture.columns, picture.rows) * picture.scale;
    if at.x >= size.x || at.y >= size.y {
        return;
    }
    let cell = at.xy / picture.scale;
    let row = picture.rows - 1u - cell.y;
    let heat = depth[cell.x * picture.rows + row] / picture.peak;
    pixels[at.y * size.x + at.x] = pack4x8unorm(colour(clamp(heat, -1.0, 1.0)));
}
