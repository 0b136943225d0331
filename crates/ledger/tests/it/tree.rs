//! The tree against the published vectors and against the naive reference.

use std::convert::Infallible;

use proptest::prelude::*;
use remit_ledger::tree::{
    self, Frontier, ProofError, ReadError, stored_hash_count, verify_consistency, verify_inclusion,
};
use remit_ledger::{Hash, empty_root, leaf_hash};

use crate::naive;

/// The eight entries of the Certificate Transparency reference tree.
fn ct_entries() -> Vec<Vec<u8>> {
    [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
    .map(hex)
    .to_vec()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

fn hash(text: &str) -> Hash {
    Hash::from_slice(&hex(text)).unwrap()
}

fn stored(entries: &[Vec<u8>]) -> (Frontier, Vec<Hash>) {
    let mut frontier = Frontier::new();
    let batch = frontier
        .extend(entries.iter().map(|entry| leaf_hash(entry)))
        .unwrap();
    assert_eq!(batch.hashes.len() as u64, stored_hash_count(entries.len() as u64));
    (frontier, batch.hashes)
}

fn reader(table: &[Hash]) -> impl FnOnce(&[u64]) -> Result<Vec<Hash>, Infallible> + '_ {
    |indexes| {
        Ok(indexes
            .iter()
            .map(|&i| table[usize::try_from(i).unwrap()])
            .collect())
    }
}

fn entries(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|i| i.to_be_bytes().to_vec()).collect()
}

#[test]
fn certificate_transparency_roots() {
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    assert_eq!(
        empty_root(),
        hash("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    );
    let mut frontier = Frontier::new();
    for (entry, root) in ct_entries().iter().zip(roots) {
        frontier.extend([leaf_hash(entry)]).unwrap();
        assert_eq!(frontier.root(), hash(root));
    }
}

#[test]
fn certificate_transparency_proofs() {
    let (_, table) = stored(&ct_entries());
    assert_eq!(
        tree::prove_inclusion(0, 8, reader(&table)).unwrap(),
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ]
        .map(hash)
    );
    assert_eq!(
        tree::prove_consistency(6, 8, reader(&table)).unwrap(),
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
        .map(hash)
    );
}

#[test]
fn every_proof_of_every_small_tree_equals_the_reference() {
    let all = entries(40);
    let (_, table) = stored(&all);
    for size in 1..=all.len() {
        let now = &all[..size];
        let (n, root) = (size as u64, naive::root(now));
        assert_eq!(tree::root(n, reader(&table)).unwrap(), root);
        for index in 0..size {
            let proof = tree::prove_inclusion(index as u64, n, reader(&table)).unwrap();
            assert_eq!(proof, naive::path(index, now), "leaf {index} of {size}");
            verify_inclusion(&leaf_hash(&now[index]), index as u64, n, &proof, &root).unwrap();
            refuses_inclusion(&leaf_hash(&now[index]), index as u64, n, &proof, &root);
        }
        for old in 0..=size {
            let proof = tree::prove_consistency(old as u64, n, reader(&table)).unwrap();
            assert_eq!(proof, naive::consistency(old, now), "{old} to {size}");
            let old_root = naive::root(&now[..old]);
            verify_consistency(old as u64, &old_root, n, &root, &proof).unwrap();
            refuses_consistency(old as u64, &old_root, n, &root, &proof);
        }
    }
}

/// Each wrong variant of a right inclusion proof is refused.
fn refuses_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) {
    let wrong = |leaf: &Hash, index, size, proof: &[Hash], root: &Hash| {
        assert!(
            verify_inclusion(leaf, index, size, proof, root).is_err(),
            "{index} of {size}"
        );
    };
    let bad = leaf_hash(b"bad");
    wrong(&bad, index, size, proof, root);
    wrong(leaf, index, size, proof, &bad);
    wrong(leaf, size, size, proof, root);
    wrong(leaf, index, 0, proof, root);
    wrong(leaf, index, u64::MAX, proof, root);
    for other in (0..size).filter(|&other| other != index) {
        wrong(leaf, other, size, proof, root);
    }
    wrong(leaf, index, size, &[proof, &[bad]].concat(), root);
    for at in 0..proof.len() {
        let mut changed = proof.to_vec();
        changed[at] = bad;
        wrong(leaf, index, size, &changed, root);
        changed.remove(at);
        wrong(leaf, index, size, &changed, root);
    }
}

/// Each wrong variant of a right consistency proof is refused.
fn refuses_consistency(old: u64, old_root: &Hash, new: u64, new_root: &Hash, proof: &[Hash]) {
    let bad = leaf_hash(b"bad");
    assert!(verify_consistency(old, &bad, new, new_root, proof).is_err());
    assert!(verify_consistency(new + 1, old_root, new, new_root, proof).is_err());
    if old > 0 {
        assert!(verify_consistency(old, old_root, new, &bad, proof).is_err());
    }
    assert!(verify_consistency(old, old_root, new, new_root, &[proof, &[bad]].concat()).is_err());
    for at in 0..proof.len() {
        let mut changed = proof.to_vec();
        changed[at] = bad;
        assert!(verify_consistency(old, old_root, new, new_root, &changed).is_err());
        changed.remove(at);
        assert!(verify_consistency(old, old_root, new, new_root, &changed).is_err());
    }
}

#[test]
fn a_reader_with_gaps_is_an_error_not_a_wrong_proof() {
    let short = |_: &[u64]| Ok::<_, Infallible>(Vec::new());
    assert_eq!(
        tree::prove_inclusion(0, 2, short),
        Err(ReadError::Gap { want: 1, got: 0 })
    );
    assert_eq!(
        tree::prove_inclusion(2, 2, short),
        Err(ReadError::Asked(ProofError::Index { index: 2, size: 2 }))
    );
    assert_eq!(
        tree::prove_consistency(3, 2, short),
        Err(ReadError::Asked(ProofError::Order { old: 3, new: 2 }))
    );
    assert!(Frontier::restore(u64::MAX, short).is_err());
    assert!(Frontier::from_parts(3, vec![empty_root()]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn batches_restored_in_between_give_the_same_table(sizes in prop::collection::vec(0_usize..90, 1..8)) {
        let all = entries(sizes.iter().sum());
        let (whole, table) = stored(&all);
        let mut grown: Vec<Hash> = Vec::new();
        let mut done = 0;
        for size in sizes {
            let mut frontier = Frontier::restore(done as u64, reader(&grown)).unwrap();
            let leaves = all[done..done + size].iter().map(|entry| leaf_hash(entry));
            let batch = frontier.extend(leaves).unwrap();
            prop_assert_eq!(batch.first_index, grown.len() as u64);
            grown.extend(batch.hashes);
            done += size;
            prop_assert_eq!(batch.root, naive::root(&all[..done]));
            prop_assert_eq!(Frontier::from_parts(done as u64, frontier.peaks().to_vec()).unwrap(), frontier);
        }
        prop_assert_eq!(&grown, &table);
        prop_assert_eq!(whole.root(), naive::root(&all));
    }

    #[test]
    fn proofs_of_larger_trees_equal_the_reference(size in 1_usize..700, a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let all = entries(size);
        let (frontier, table) = stored(&all);
        let (index, old) = (a.index(size), b.index(size + 1));
        let proof = tree::prove_inclusion(index as u64, size as u64, reader(&table)).unwrap();
        prop_assert_eq!(&proof, &naive::path(index, &all));
        verify_inclusion(&leaf_hash(&all[index]), index as u64, size as u64, &proof, &frontier.root()).unwrap();
        let proof = tree::prove_consistency(old as u64, size as u64, reader(&table)).unwrap();
        prop_assert_eq!(&proof, &naive::consistency(old, &all));
        let old_root = naive::root(&all[..old]);
        verify_consistency(old as u64, &old_root, size as u64, &frontier.root(), &proof).unwrap();
    }
}
